"""Channel kinds: how a message leaves, one file per kind, found through the registry."""
