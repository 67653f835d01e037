"""Requests to addresses that tenants choose: judged, pinned, bounded in time and size."""
