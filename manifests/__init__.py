"""Everything that a team set up as documents: applied whole, exported, and described."""
