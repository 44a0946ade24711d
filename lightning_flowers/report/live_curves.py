"""The curves of a run in what the loggers show while it trains."""

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import TensorBoardLogger

from lightning_flowers.run.history import History

# TensorBoard takes tags for regular expressions that match from the start: `train_macro_f1` would have `_present` too.
LAYOUT = {
    "curves": {
        "loss": ["Multiline", ["train_loss$", "val_loss$"]],
        "accuracy": ["Multiline", ["train_accuracy$", "val_accuracy$"]],
        "macro F1": ["Multiline", ["train_macro_f1$", "val_macro_f1$"]],
        "macro F1 of the classes present": ["Multiline", ["train_macro_f1_present$", "val_macro_f1_present$"]],
        "learning rate": ["Multiline", ["learning_rate$"]],
    }
}


class Curves(Checkpoint):
    """Gives every logger the learning rate beside each epoch's scores.

    In TensorBoard train and val of a score stand in one chart (the tab Custom Scalars).

    It counts as a checkpoint callback as History does, and stands after it: then the epoch is in the history.

    Args:
        history: of the run.
    """

    def __init__(self, history: History) -> None:
        self.history = history

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                logger.experiment.add_custom_scalars(LAYOUT)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Logged as the model logs its scores: all loggers have it at the same step, and in the same row.
        pl_module.log("learning_rate", torch.tensor(self.history.rows[-1]["learning_rate"]))
