"""A trained model in use: pictures of any kind in, class names with calibrated probabilities out."""
