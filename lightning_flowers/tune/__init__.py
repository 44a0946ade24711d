"""The command `tune`: Optuna looks for the settings of `fit` that are best on val."""
