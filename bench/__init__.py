"""Measurements: `make bench` boots servers of its own and measures everything in one run."""
