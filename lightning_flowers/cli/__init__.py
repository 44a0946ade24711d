"""The command line: Lightning's commands, what their arguments mean, and how mistakes are told."""
