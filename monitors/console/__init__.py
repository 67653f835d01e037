"""Pages about monitors. What links incidents too is in incidents/console."""
