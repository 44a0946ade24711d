"""Runs beside each other; it reads nothing but the runs' folders, and need no torch."""
