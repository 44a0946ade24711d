"""What predictions are worth: pure functions of probabilities and labels, for whatever comes after a run; no torch."""
