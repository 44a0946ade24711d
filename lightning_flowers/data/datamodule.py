"""The data of a run, as Lightning takes it."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from pytorch_lightning import LightningDataModule

from lightning_flowers import hardware
from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.cache import choice
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.conversion.opening import REMOTE_LIMIT, open_data
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.run_splits import Splits, TrainOn
from lightning_flowers.data.sources.competition import Source
from lightning_flowers.data.splits.split import OnBadRecord
from lightning_flowers.errors import DataError, UserError, check_choices

MAX_BATCH, MAX_THREADS = 2**20, 2**10
# Label smoothing leaves models seldom surer: two models were as sure of 70 % of real photographs, and of these right of
# 99 %; they were 0.9 sure of 18 %.
PSEUDO_THRESHOLD = 0.5


class PetalsDataModule(LightningDataModule):
    """TFRecord shards in the competition's layout, as batches of uint8 pictures.

    Args:
        root: the folder, or URL, that holds tfrecords-jpeg-SxS/{train,val,test}; or other pictures, converted once:
            class folders, CSV, TFRecords, tars, Parquet, hf://datasets/..., kaggle://... Default: the competition on
            Kaggle, else demo petals.
        size: side in pixels, by default the nearest to 224: of shards, one that is there; other pictures are converted
            to it.
        batch_size: pictures a step, over all devices together.
        micro_batch: how many of them a device takes at a time. Default: as many as fit into a GPU's memory; on a CPU
            all.
        augment: none, flips (left to right), crop (that, and a random-resized crop), study (both flips, crop, rotation,
            brightness, contrast, saturation), affine (the rotation kernel's), trivial (TrivialAugment), randaugment,
            erasing, a YAML file of any albumentations pipeline, or such a pipeline itself in a config.
        balance: a class of n training records has n^(1 - balance) parts of an epoch; 0 is off, 1 makes all alike.
        threads: decoding threads. Default: one a CPU core, divided among a host's processes.
        cache: where decoded pictures are kept for later epochs and runs; auto: in memory if they fit.
        cache_dir: where cache=disk keeps them. Default: the user's cache folder.
        on_bad_record: error, or skip to leave damaged records out, up to 1 % of a split; summary.json lists them.
        train_on: train, or train+val for the last run before a submission, which then has no validation.
        folds: cut train+val into so many stratified folds; fold is val, the others are train.
        fold: which of the folds is val, from 0.
        extra_roots: other data sets of the same classes to train on too; the run is marked external.
        features: names of image, label and id in pictures to convert, if unusual: {"image": NAME, ...}.
        remote_limit: bytes that shards of URLs may take on this host.
        test_labels: CSV with id and label, for the command `test`. Default: test_labels.csv beside the shards.
        pseudo_labels: predictions/test.csv of a run: test records to train on too, as it labels them; marked.
        pseudo_threshold: the least probability of a pseudo-label.
        seed: of the order and the augmentation; folds are the same for all. Default: --seed_everything.

    Attributes:
        cache_mode: where decoded pictures are kept, as given.
        classes: names of the classes, in the order of their labels.
        wrap: makes of a split's loader what is read in its place, during a fit; None where nobody has chosen.
        splits: train, val and test, each opened when it is first asked for: `data.splits["train"][0]` is the first
            record's picture, label and id.

    Raises:
        UserError: an argument that cannot be; the message names it.
        DataError: no such data.
    """

    def __init__(
        self,
        root: str | None = None,
        size: int | None = None,
        batch_size: int = 32,
        micro_batch: int | None = None,
        augment: str | list[Any] | dict[str, Any] = "flips",
        balance: float = 0.0,
        threads: int | None = None,
        cache: choice.Mode = "auto",
        cache_dir: str | None = None,
        on_bad_record: OnBadRecord = "error",
        train_on: TrainOn = "train",
        folds: int | None = None,
        fold: int | None = None,
        extra_roots: Sequence[str] = (),
        features: dict[str, str] | None = None,
        remote_limit: int = REMOTE_LIMIT,
        test_labels: str | None = None,
        pseudo_labels: str | None = None,
        pseudo_threshold: float = PSEUDO_THRESHOLD,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choices(PetalsDataModule.__init__, locals(), "data")
        for name, value, most in (
            ("batch_size", batch_size, MAX_BATCH),
            ("micro_batch", micro_batch, MAX_BATCH),
            ("threads", threads, MAX_THREADS),
            ("remote_limit", remote_limit, math.inf),
        ):
            if value is not None and not 1 <= value <= most:
                raise UserError(
                    f"--data.{name}={value}: must be at least 1" + ("" if value < 1 else f", at most {most}")
                )
        if not 0 <= balance <= 1:
            raise UserError(f"--data.balance={balance}: must be in 0..1")
        if not 0 <= pseudo_threshold <= 1:
            raise UserError(f"--data.pseudo_threshold={pseudo_threshold}: must be in 0..1")
        if seed < 0:
            raise UserError(f"--data.seed={seed}: must not be negative")
        skip = on_bad_record == "skip"
        self.source = open_data(root, size, features, skip, remote_limit)
        self.size = self.source.choose_size(size)
        self.batch_size, self.micro_batch, self.seed, self.balance = batch_size, micro_batch, seed, balance
        self.augment = Augment(augment, self.size)
        self.threads, self._own_threads = threads or hardware.cpu_count(), threads is None
        extra = [_find_extra(other, self.size, features, skip, remote_limit) for other in extra_roots]
        self.splits = Splits(
            self.source,
            self.size,
            train_on=train_on,
            folds=folds,
            fold=fold,
            extra=extra,
            skip=skip,
            test_labels=test_labels,
            pseudo_labels=pseudo_labels,
            threshold=pseudo_threshold,
        )
        self.wrap: Callable[[Loader, str], Any] | None = None
        self.cache_mode: choice.Mode = cache
        self._cache_dir = cache_dir
        self._cache: PictureCache | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their labels."""
        return self.source.classes

    def setup(self, stage: str) -> None:
        """Open the splits of a stage.

        Raises:
            UserError: the devices do not divide the batch.
            DataError: something is wrong with a shard or a record.
        """
        if self.trainer is not None:
            self.check_batch_size(hardware.device_count(self.trainer))
        if self._own_threads:
            self.threads = hardware.cores_each()
        for name in self.names_for(stage):
            self.splits[name]

    def teardown(self, stage: str) -> None:
        """What stands in the place of loaders is of the model that was trained: others must not get it."""
        self.wrap = None

    def on_exception(self, exception: BaseException) -> None:
        self.wrap = None
        for split in self.splits.values():
            split.interrupt()

    def check_batch_size(self, devices: int) -> None:
        """Fail unless `devices` divide the global batch, and micro-batches what each gets of it.

        Raises:
            UserError: they do not.
        """
        if self.batch_size % devices:
            raise UserError(
                f"--data.batch_size={self.batch_size}: {devices} devices do not divide it: use a multiple of {devices}"
            )
        if self.micro_batch is not None and (each := self.batch_size // devices) % self.micro_batch:
            raise UserError(
                f"--data.micro_batch={self.micro_batch}: must divide the {each} pictures that a device gets of a batch"
            )

    def choose_cache(self, processes: int) -> str:
        """Choose where decoded pictures of what `fit` reads are kept; gives a line for people.

        Args:
            processes: of this host that will read them.

        Raises:
            UserError: there is no room where they were to be kept.
        """
        splits = [self.splits[name] for name in self.names_for("fit")]
        self._cache, text = choice.choose(self.cache_mode, splits, self._cache_dir, processes)
        return text

    def describe(self) -> str:
        """One line about the data."""
        where = f"{self.source.origin}, as {self.source.where}" if self.source.origin else self.source.where
        return f"{where}: {self.size} px, {len(self.classes)} classes, {self.splits.describe()}"

    __str__ = describe  # Lightning's knows torch's loaders alone, and raises

    def names_for(self, stage: str) -> tuple[str, ...]:
        """The splits a stage reads; to predict, those of val and test that there are."""
        if stage == "predict":
            return tuple(name for name in ("val", "test") if self.splits.has(name))
        fit = ("train", "val") if self.splits.validates else ("train",)
        return {"fit": fit, "validate": ("val",), "test": ("test",)}[stage]

    def train_dataloader(self) -> Any:
        return self._loader("train", train=True)

    def val_dataloader(self) -> Any:
        return self._loader("val") if self.splits.validates else []

    def test_dataloader(self) -> Any:
        return self._loader("test")

    def predict_dataloader(self) -> list[Any]:
        return [self._loader(name) for name in self.names_for("predict")]

    def summary(self) -> dict[str, object]:
        """What the run's summary says of its data."""
        return {
            "root": self.source.where,
            "size": self.size,
            "classes": len(self.classes),
            "class_names": list(self.classes),
            "augment": self.augment.spec,
            **self.splits.summary(),
        }

    def _loader(self, name: str, train: bool = False) -> Any:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        split = self.splits[name]
        order = Order(
            len(split),
            self.batch_size,
            shuffle=train and not (self.trainer and self.trainer.overfit_batches),  # pyright: ignore[reportAttributeAccessIssue]
            seed=self.seed,
            rank=rank,
            world=world,
            groups=split.rows[:, 0] if split.remote else None,
            labels=split.labels if train and self.balance else None,
            balance=self.balance,
        )
        pin = self.trainer is not None and hardware.pins_memory(self.trainer.strategy.root_device)
        cache = self._cache if name in self.names_for("fit") else None
        loader = Loader(split, order, self.augment if train else None, self.threads, pin, cache)
        return loader if self.wrap is None else self.wrap(loader, name)


def _find_extra(root: str, size: int, features: dict[str, str] | None, skip: bool, remote_limit: int) -> Source:
    try:
        return open_data(root, size, features, skip, remote_limit, extra=True)
    except DataError as error:
        raise DataError(error.args[0].replace("--data.root=", "--data.extra_roots: ", 1)) from error
