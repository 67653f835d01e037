"""What visitors get: every representation of a page, made from plain values."""
