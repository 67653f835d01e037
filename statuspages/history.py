"""A component's history out of its monitors' changes."""
