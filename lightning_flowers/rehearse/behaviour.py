"""How a run behaves on cores: three epochs of it, small, on virtual ones, that compute it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import Trainer

from lightning_flowers.rehearse.findings import Findings, findings
from lightning_flowers.rehearse.rehearsal import Rehearsal, quietly
from lightning_flowers.rehearse.watch import Watch


def behaviour(args: list[str]) -> Findings:
    """Run the arguments of `fit` small, and tell what was seen.

    Raises:
        UserError: a mistake in them.
    """
    with TemporaryDirectory(prefix="lightning_flowers_rehearsal_") as folder:
        run = quietly(lambda: _Behaviour(args, Path(folder)))
    return findings(run.watch, run.cores, run.datamodule.size, run.datamodule.batch_size, run.epochs)


class _Behaviour(Rehearsal):
    epochs = 3  # so that what comes up only in later ones comes up

    def __init__(self, args: list[str], folder: Path) -> None:
        self.watch = Watch()
        super().__init__(args, folder)

    def shape(self, config: Namespace) -> tuple[int, int]:
        return config.size_px, max(self.cores, 2)  # one picture a core, but BatchNorm needs two

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer = super().instantiate_trainer(**kwargs)
        trainer.callbacks.append(self.watch)  # pyright: ignore[reportAttributeAccessIssue]
        self.watch.follow(trainer.strategy)
        return trainer

    def after_fit(self) -> None:
        if self.datamodule.rules.validates:
            super().after_fit()  # it predicts val
