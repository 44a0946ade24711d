"""The command `compete`: a whole competition within a budget of hours."""
