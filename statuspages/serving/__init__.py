"""How visitors get a page: stored bytes, served ahead of Django."""
