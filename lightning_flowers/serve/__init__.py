"""The command `serve`: a web page and an HTTP API in front of a trained model."""
