"""Which checkpoints a run keeps."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from typing_extensions import override

from lightning_flowers.files import whole_file
from lightning_flowers.run.folder import RunFolder

MONITOR = "val_macro_f1"


class FolderCheckpoint(ModelCheckpoint):
    """Saves one checkpoint at the end of each epoch, in place of the one before, under a name of its own.

    A run folder may be moved before it is resumed: unlike its base class it then still knows the best score, so that a
    worse epoch does not take the best one's place.
    """

    def __init__(self, path: Path, **kwargs: Any) -> None:
        super().__init__(
            dirpath=path.parent,
            filename=path.stem,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
            **kwargs,
        )

    @override
    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        # Lightning moves the file in from the system's temporary folder, which need not be on the same disk.
        if trainer.is_global_zero:
            with whole_file(Path(filepath)) as part:
                super()._save_checkpoint(trainer, str(part))
        else:
            super()._save_checkpoint(trainer, filepath)

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath))
        if (here / Path(state_dict["best_model_path"]).name).is_file():
            super().load_state_dict(_moved(state_dict, here))


def checkpoints(folder: RunFolder, validates: bool) -> list[FolderCheckpoint]:
    """`best` by macro F1 on val, where there is validation; then `last`, which holds what `best` has come to know."""
    last = FolderCheckpoint(folder.last)
    return [FolderCheckpoint(folder.best, monitor=MONITOR, mode="max"), last] if validates else [last]


def _moved(state: dict[str, Any], here: Path) -> dict[str, Any]:
    def move(path: str) -> str:
        return str(here / Path(path).name) if path else path

    paths = {name: move(state[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
    best_k = {move(path): score for path, score in state["best_k_models"].items()}
    return {**state, **paths, "dirpath": str(here), "best_k_models": best_k}
