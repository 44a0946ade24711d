"""Backbones, weights, the classifier, its schedules and metrics."""
