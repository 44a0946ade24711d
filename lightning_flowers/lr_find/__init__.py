"""The command `lr_find`: by which learning rate the loss falls fastest, for a run's own model, data and batch."""
