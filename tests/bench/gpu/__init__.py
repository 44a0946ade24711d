"""What a GPU makes of training, ours beside timm's train script: `make bench-gpu` starts it."""
