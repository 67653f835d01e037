"""Changing pages, components, posts and subscribers."""
