"""Decoded pictures, kept in memory or on disk for the epochs and runs to come."""
