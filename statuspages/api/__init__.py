"""The REST API of status pages."""
