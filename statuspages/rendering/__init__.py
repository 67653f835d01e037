"""Representations of a page: functions from a view to bytes."""
