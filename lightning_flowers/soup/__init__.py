"""Model soups: the weights of runs of one backbone, averaged into one model."""
