"""The commands by name, for the help, without importing anything slow."""

import shlex

PROGRAM = "python -m lightning_flowers"
# Those of Lightning's command line.
COMMANDS = {
    "fit": "Train, validate each epoch, predict with the best epoch; leaves a run folder with submission.csv.",
    "validate": "Score a run's best checkpoint on the val split.",
    "test": "Score a run's best checkpoint on the test split, with labels from --data.test_labels.",
    "predict": "Write a run's predictions of val and test, and submission.csv.",
}
# Those of our own: rooms of the same names.
TOOLS = {
    "records": "Look into shards, check them, or make them from pictures.",
    "report": "Make a page of each run: curves, confusions, worst errors, suspected labels, calibration.",
    "compare": "Put runs beside each other and the study: scores, times, hardware.",
    "ensemble": "Blend runs' predictions, weighted on val and held to its other folds; leaves a run folder.",
    "soup": "Average the weights of runs of one backbone or of a run's best epochs; leaves a run folder.",
    "classify": "Name the flower on pictures of your own: files, folders, URLs.",
    "export": "Give a trained model to other tools: ONNX, torch alone, timm and the Hugging Face hub; checked first.",
    "serve": "Answer about pictures on a web page and by an HTTP API.",
    "lr_find": "Raise the learning rate from step to step: the curve of the loss, and where it falls fastest.",
    "tune": "Search settings of fit with Optuna: proposed, pruned by epoch, resumable; leaves the best as YAML.",
    "compete": "Spend a budget of hours on a submission: what fits is trained, blended, and told on one page.",
    "rehearse": "Ask the TPU's own compiler about a run, without a TPU: does it fit, how long it takes, what is dear.",
}
ON_LIGHTNING = ("soup", "lr_find", "rehearse")  # the others do without its command line


def command(*parts: object) -> str:
    """A command line of this program, as a shell takes it."""
    return f"{PROGRAM} {shlex.join(map(str, parts))}"


def usage() -> str:
    """The help of the program as a whole."""
    lines = [f"  {name:<10}{text}" for name, text in (COMMANDS | TOOLS).items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND [--data.*] [--model.*] [--trainer.*] [--config FILE]",
            "",
            "Trains flower classifiers from TFRecord shards on TPU, GPU or CPU.",
            "",
            "commands:",
            *lines,
            "",
            "Every setting of data, model and Lightning's Trainer is a flag: see COMMAND --help, or --help=all.",
            "COMMAND --print_config shows them all as YAML; --version shows the version.",
            "--print_completion=bash (zsh, tcsh, fish) writes what completes commands and flags in a shell.",
        ]
    )
