"""Bytes that nobody meant to send: what is refused is refused in order, and changes nothing.

`corpus/` holds one request a file, each a seed or something that was found; all are replayed. The
strategies beside it make more: a fixed few in the suite, new ones in `make fuzz SECONDS=600`.
"""
