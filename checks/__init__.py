"""What `make check` holds beside the linters: dependencies, secrets, a production's settings."""
