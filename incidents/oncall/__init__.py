"""Rotations: who is on call when, and how that is changed."""
