"""Training on TPU cores, or on torch_xla's CPU client in their place. The only folder that imports torch_xla."""
