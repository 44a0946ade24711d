"""What a search has found: a table of its trials, a picture, and the best settings as YAML."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from lightning_flowers.files import atomic_file, csv_text, write_text
from lightning_flowers.markdown import number, text_table
from lightning_flowers.tune.search import best_trial, short

_SHOWN = 10  # trials of the table on the screen
# Of a trial's Trainer, what is not among the settings that were searched.
_OF_TRIALS = ("logger", "enable_progress_bar")


def write_results(study: optuna.Study, folder: Path, command: str) -> str:
    """Write trials.csv, tune.png and best.yaml into the folder, in place of older ones; gives the table for a terminal.

    Args:
        command: that searched, for the head of best.yaml.
    """
    trials = sorted(study.get_trials(deepcopy=False), key=_rank)
    names = sorted({name for trial in trials for name in trial.params})
    header = ["trial", "state", "val_macro_f1", "epochs", "seconds", *names]
    write_text(folder / "trials.csv", csv_text(header, (_cells(trial, names, str) for trial in trials)))
    if best := best_trial(study):
        write_text(folder / "best.yaml", _best_yaml(best, len(trials), command))
        _draw(study, folder / "tune.png", names)
    rows = [_cells(trial, names, short) for trial in trials[:_SHOWN]]
    return text_table(header, rows, ["trial", *header[2:]])


def _rank(trial: FrozenTrial) -> tuple[bool, float, int]:
    return trial.state != TrialState.COMPLETE, -_score(trial), trial.number


def _score(trial: FrozenTrial) -> float:
    """The highest macro F1 of its epochs, also where it was pruned."""
    return max(trial.intermediate_values.values(), default=0.0)


def _cells(trial: FrozenTrial, names: Sequence[str], write: Any) -> list[str]:
    seconds = trial.duration.total_seconds() if trial.duration else None
    score = number(_score(trial), 4) if trial.intermediate_values else ""
    figures = [score, str(len(trial.intermediate_values)), number(seconds, 1)]
    return [
        str(trial.number),
        trial.state.name.lower(),
        *figures,
        *(write(trial.params.get(name, "")) for name in names),
    ]


def _best_yaml(best: FrozenTrial, trials: int, command: str) -> str:
    settings: dict[str, Any] = yaml.safe_load(best.user_attrs["config"])
    for name in _OF_TRIALS:
        settings["trainer"].pop(name, None)
    head = (
        f"# Trial {best.number} of {trials}: macro F1 {best.value:.4f} on val in epoch {best.user_attrs['epoch']}.\n"
        f"# It was chosen on val: expect less on other records.\n# {command}\n"
    )
    return head + yaml.safe_dump(settings, sort_keys=False)


def _draw(study: optuna.Study, path: Path, names: Sequence[str]) -> None:
    """The score against each setting."""
    import matplotlib as mpl  # imported late: it takes its time

    mpl.use("agg")
    from matplotlib import pyplot as plt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its pictures experimental, matplotlib a single trial narrow
        axes = optuna.visualization.matplotlib.plot_slice(study, list(names), target_name="macro F1 on val")
    first = axes if len(names) == 1 else axes[0]  # pyright: ignore[reportIndexIssue]
    picture: Any = first.figure  # pyright: ignore[reportAttributeAccessIssue]
    with atomic_file(path) as part:
        picture.set_size_inches(max(6, 3 * len(names)), 4)
        picture.savefig(part, format="png", bbox_inches="tight", dpi=110)
    plt.close(picture)
