"""What a command says at its end. Only the first of several processes speaks."""

from collections.abc import Mapping

from lightning_fabric.utilities.rank_zero import rank_zero_only
from tqdm import tqdm

from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.errors import as_given
from lightning_flowers.run.history import Row
from lightning_flowers.secrets import redact


@rank_zero_only
def say(what: str, text: str) -> None:
    """Print a line under a heading, past any progress bar."""
    tqdm.write(redact(f"{what:<11}{as_given(text)}"))


@rank_zero_only
def say_skipped(data: PetalsDataModule) -> None:
    """Print how many records could not be used."""
    for name, split in data.splits.items():
        if split.bad:
            say("skipped", f"{len(split.bad)} of {len(split)} {name} records cannot be used, see summary.json")


def in_words(scores: Mapping[str, float], prefix: str = "") -> str:
    """Macro F1 and accuracy; their names may have a prefix."""
    return (
        f"macro F1 {scores[f'{prefix}macro_f1']:.4f} over all classes, {scores[f'{prefix}macro_f1_present']:.4f} over "
        f"those present, accuracy {scores[f'{prefix}accuracy']:.4f}"
    )


def say_best(best: Row) -> None:
    """Print the scores of the best epoch."""
    say("best", f"epoch {best['epoch']:.0f}: val {in_words(best, 'val_')}")


def say_scores(split: str, records: str, scores: Mapping[str, float]) -> None:
    """Print what `validate` or `test` found on so many records."""
    named = ", ".join(f"{name.removeprefix(f'{split}_')} {value:.4f}" for name, value in scores.items())
    say(split, f"{records}: {named}")
