"""`rehearse`: a TPU run at a small size on torch_xla's CPU client, and what it would take at its own size."""
