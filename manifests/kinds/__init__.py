"""How each kind of document becomes rows, and rows become documents."""
