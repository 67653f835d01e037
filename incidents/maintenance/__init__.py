"""Maintenance windows: planned time in which no incident opens."""
