"""Who follows a page, and how they are told."""
