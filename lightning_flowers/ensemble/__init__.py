"""Blends of runs' predictions, weighted on val and held to its other folds; no torch."""
