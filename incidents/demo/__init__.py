"""A team worth looking at: who it is, what it has been through, and how that is written down."""
