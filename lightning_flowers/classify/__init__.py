"""The command `classify`: pictures of one's own on the command line."""
