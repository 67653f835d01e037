"""Celery's side of status pages."""
