"""How the rooms are put together: settings, paths, processes."""
