"""What lets a run that was cut off go on as if it never had been, and what `fit --resume` may change of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_flowers import hardware
from lightning_flowers.errors import UserError
from lightning_flowers.lightning_internals import begin_epoch, inside_epoch
from lightning_flowers.model.optimization import apply_schedule
from lightning_flowers.run.folder import RunFolder

# Free to change: they place and watch the work (all others of the Trainer's too), or act from the next step on.
_FREE = {
    "data": (
        *("root", "features", "threads", "cache", "cache_dir", "remote_limit"),
        *("on_bad_record", "test_labels", "pseudo_labels", "micro_batch"),
    ),
    "model": (
        *("weights", "lr", "weight_decay", "warmup_epochs", "feature_cache", "ema_decay"),
        *("grad_checkpointing", "compile"),
    ),
}
# Of the Trainer: what steps are made of.
_FIXED_OF_TRAINER = ("accumulate_grad_batches", "limit_train_batches", "overfit_batches")


class ResumeState(Callback):
    """Keeps in the checkpoint how far the epoch has come, its validation's scores so far and the random numbers of
    every process, and goes on there.

    Lightning keeps the loader's state too, but forgets to restore it where a schedule has asked for the length of the
    run, as then it makes its loader before it reads the checkpoint.
    """

    def __init__(self) -> None:
        self._trainer: Any = None
        self._device: Any = None
        self._state: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        return "Continuity"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer, self._device = trainer, trainer.strategy.root_device

    def state_dict(self) -> dict[str, Any]:
        loader = self._trainer.train_dataloader.state_dict()
        return {
            # An epoch may end before its loader does, as with --trainer.limit_train_batches.
            "loader": loader if inside_epoch(self._trainer) else {**loader, "batches": 0},
            "scores": {name: value for name, value in self._trainer.callback_metrics.items() if "val_" in name},
            "random": hardware.gather(hardware.random_state(self._device)),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        # --trainer.max_time is of one command: Lightning would count the time of those before it too, and stop at once.
        checkpoint["callbacks"].pop("Timer", None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._state:
            loader: Any = trainer.train_dataloader
            loader.load_state_dict(self._state["loader"])
            trainer.callback_metrics.update(self._state["scores"])
            if not inside_epoch(trainer):
                begin_epoch(trainer)
            apply_schedule(trainer)  # under the settings of now, such as more epochs

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Not before: building models and a first look at val draw random numbers too. With another number of processes
        # there is nothing to go on with.
        if self._state and len(self._state["random"]) == trainer.world_size:
            hardware.set_random_state(self._state["random"][trainer.global_rank], self._device)
        self._state = None


def check_changes(run: RunFolder, asked: Mapping[str, Any]) -> None:
    """Fail where a run would be gone on with under settings that its state does not fit.

    Data of another place are held against the run's fingerprints elsewhere.

    Args:
        run: to go on with.
        asked: the settings now, as config.yaml holds them.

    Raises:
        UserError: a setting that may not change has; names it, and what it was.
    """
    before = dict(_flat(yaml.safe_load(run.config.read_text("utf-8"))))
    for name, value in _flat(asked):
        if before.get(name, value) != value and (not _is_free(name) or (name == "model.ema_decay" and not value)):
            raise UserError(
                f"--{name}={value}: the run {run.path} was begun with {before[name]}, which --resume cannot change: "
                "leave it out, or start a new run"
            )


def _is_free(name: str) -> bool:
    section, _, setting = name.partition(".")
    if section == "trainer":
        return setting not in _FIXED_OF_TRAINER
    return setting in _FREE.get(section, ())


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings by the names of their flags."""
    yield "seed_everything", settings["seed_everything"]
    for section in ("data", "model", "trainer"):
        for name, value in settings[section].items():
            yield f"{section}.{name}", value
