"""How incidents begin, go on and end."""
