"""The installation watches itself: a canary, a watchdog, and what the operator is told."""
