"""Sending: lease a message, send it outside any transaction, record what became of it."""
