"""Trains flower classifiers from TFRecord shards on TPU, GPU or CPU."""

__version__ = "0.1.0"
