"""Escalation policies: whom an incident pages, step by step."""
