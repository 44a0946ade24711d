"""The data of a run, as Lightning takes it."""

from pathlib import Path

import numpy as np
from pytorch_lightning import LightningDataModule

from lightning_flowers import hardware
from lightning_flowers.data.augment import Augment, Preset
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.petals import SPLITS, find_source, read_labels
from lightning_flowers.data.split import Split, open_split
from lightning_flowers.errors import DataError, UserError


class PetalsDataModule(LightningDataModule):
    """TFRecord shards in the competition's layout, as batches of uint8 pictures.

    Args:
        root: the folder that holds tfrecords-jpeg-SxS/{train,val,test}. Default: the competition where Kaggle mounts
            it, else the demo petals.
        size: side of the pictures in pixels, one of those present. Default: the one nearest to 224.
        batch_size: pictures a step, over all devices together.
        augment: none, flips (left to right), or study (both flips, crop, rotation, brightness, contrast, saturation).
        threads: decoding threads of each process. Default: one for each CPU core the process may use.
        test_labels: CSV with the columns id and label, to score the test split by (`test`, never used in training).
        seed: of the order and the augmentation. Default: --seed_everything.

    Raises:
        UserError: an argument that cannot be; the message names its flag.
        DataError: no such data.
    """

    def __init__(
        self,
        root: str | None = None,
        size: int | None = None,
        batch_size: int = 32,
        augment: Preset = "flips",
        threads: int | None = None,
        test_labels: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"--data.batch_size={batch_size}: must be at least 1")
        if threads is not None and threads < 1:
            raise UserError(f"--data.threads={threads}: must be at least 1")
        if seed < 0:
            raise UserError(f"--seed_everything={seed}: must not be negative")
        self.source = find_source(root)
        self.size = self.source.choose_size(size)
        self.batch_size, self.seed = batch_size, seed
        self.augment = Augment(augment, self.size)
        self.threads = threads or hardware.cpu_count()
        self.test_labels = test_labels
        self.splits: dict[str, Split] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their labels."""
        return self.source.classes

    def open(self, *names: str) -> None:
        """Open splits: walk their shards, check names, counts, framing, labels and ids.

        Raises:
            DataError: something is wrong with a shard or a record.
        """
        for name in names:
            if name not in self.splits:
                self.splits[name] = self._open(name)

    def setup(self, stage: str) -> None:
        """Open the splits of a stage."""
        self.open(*self.names_for(stage))

    def check_batch_size(self, devices: int) -> None:
        """Fail unless `devices` divide the global batch.

        Raises:
            UserError: they do not.
        """
        if self.batch_size % devices:
            raise UserError(
                f"--data.batch_size={self.batch_size}: {devices} devices do not divide it: use a multiple of {devices}"
            )

    def describe(self) -> str:
        """One line about the data."""
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        return f"{self.source.root}: {self.size} px, {len(self.classes)} classes, records: {counts}"

    def names_for(self, stage: str) -> tuple[str, ...]:
        """The splits a stage reads; to predict, those of val and test that there are."""
        if stage == "predict":
            return tuple(name for name in ("val", "test") if self.source.has(name, self.size)) or ("test",)
        return {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}[stage]

    def train_dataloader(self) -> Loader:
        return self._loader("train", train=True)

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")

    def predict_dataloader(self) -> list[Loader]:
        return [self._loader(name) for name in self.names_for("predict")]

    def summary(self) -> dict[str, object]:
        """What the run's summary says of its data."""
        return {
            "root": str(self.source.root.resolve()),
            "size": self.size,
            "classes": len(self.classes),
            "records": {name: len(split) for name, split in self.splits.items()},
            "fingerprints": {name: split.fingerprint for name, split in self.splits.items()},
            "external": False,
        }

    def _open(self, name: str) -> Split:
        assert name in SPLITS
        split = open_split(self.source.sizes[self.size] / name, self.size, len(self.classes), labelled=name != "test")
        if name == "test" and self.test_labels is not None:
            split.labels = np.array(self._read_test_labels(self.test_labels, split), dtype=np.int64)
        return split

    def _read_test_labels(self, path: str, split: Split) -> list[int]:
        try:
            labels = read_labels(Path(path).expanduser(), split.ids.tolist())
        except DataError as error:
            raise DataError(f"--data.test_labels={error}") from error
        if not all(0 <= label < len(self.classes) for label in labels):
            raise DataError(f"--data.test_labels={path}: a label is outside the classes 0..{len(self.classes) - 1}")
        return labels

    def _loader(self, name: str, train: bool = False) -> Loader:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        split = self.splits[name]
        order = Order(len(split), self.batch_size, shuffle=train, seed=self.seed, rank=rank, world=world)
        pin = self.trainer is not None and hardware.pins_memory(self.trainer.strategy.root_device)
        return Loader(split, order, self.augment if train else None, self.threads, pin)
