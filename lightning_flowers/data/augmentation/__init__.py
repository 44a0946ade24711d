"""Augmentation of uint8 pictures, by albumentations and by the rotation kernel's warp."""
