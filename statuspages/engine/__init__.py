"""What goes on by itself: states, history, posts of monitors, planned maintenance."""
