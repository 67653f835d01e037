"""Who is on call: a function of a rotation's definition and a time."""
