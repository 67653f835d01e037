"""Uptime: a function of a component's history."""
