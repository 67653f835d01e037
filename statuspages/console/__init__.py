"""Pages of the console about status pages."""
