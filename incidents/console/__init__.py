"""Pages about incidents, and those about monitors that show incidents too."""
