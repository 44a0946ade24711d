"""The data module: flags checked, splits opened by stage, loaders for Lightning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from lightning_flowers import hardware
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.errors import DataError, UserError
from tests.shards import write_split

MakePetals = Callable[..., Path]


@pytest.fixture
def data(petals_root: Path) -> PetalsDataModule:
    """The tiny data set, batches of 8."""
    return PetalsDataModule(str(petals_root), batch_size=8, threads=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "--data.batch_size=0: must be at least 1"),
        ({"batch_size": -4}, "--data.batch_size=-4: must be at least 1"),
        ({"threads": 0}, "--data.threads=0: must be at least 1"),
        ({"seed": -1}, "--data.seed=-1: must not be negative"),
        ({"train_on": "all"}, r"--data.train_on=all: must be one of train, train\+val"),
        ({"cache": None}, "--data.cache=None: must be one of auto, ram, disk, none"),
        ({"size": 224}, "--data.size=224: .* only of 32 px"),
        ({"root": "/nowhere/at/all"}, "--data.root=/nowhere/at/all: no such folder"),
    ],
)
def test_an_error_names_its_flag(petals_root: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PetalsDataModule(**{"root": str(petals_root), **arguments})


def test_devices_must_divide_the_global_batch(data: PetalsDataModule) -> None:
    for devices in (1, 2, 4, 8):
        data.check_batch_size(devices)
    with pytest.raises(UserError, match=r"--data\.batch_size=8: 3 devices do not divide it: use a multiple of 3"):
        data.check_batch_size(3)


def test_size_classes_and_threads_have_defaults(petals_root: Path) -> None:
    data = PetalsDataModule(str(petals_root))
    assert data.size == 32
    assert data.classes == ("flower 0", "flower 1", "flower 2", "flower 3")
    assert data.threads == hardware.cpu_count() >= 1


@pytest.mark.parametrize(
    ("stage", "names"),
    [("fit", ["train", "val"]), ("validate", ["val"]), ("test", ["test"]), ("predict", ["val", "test"])],
)
def test_a_stage_opens_its_splits_and_no_other(data: PetalsDataModule, stage: str, names: list[str]) -> None:
    assert data.names_for(stage) == tuple(names)
    data.setup(stage)
    assert list(data.splits) == names


def test_a_split_is_opened_once(data: PetalsDataModule) -> None:
    data.setup("fit")
    train = data.splits["train"]
    data.setup("fit")
    for name in ("train", "test"):
        data.splits[name]
    assert data.splits["train"] is train
    assert list(data.splits) == ["train", "val", "test"]


@pytest.mark.parametrize(
    ("val", "test", "names"), [(2, 0, ("val",)), (0, 2, ("test",)), (2, 2, ("val", "test")), (0, 0, ())]
)
def test_prediction_is_of_what_there_is_of_val_and_test(
    make_petals: MakePetals, tmp_path: Path, val: int, test: int, names: tuple[str, ...]
) -> None:
    data = PetalsDataModule(str(make_petals(tmp_path, train=2, val=val, test=test, shards=1)))
    assert data.names_for("predict") == names


def test_a_split_that_is_not_there_is_named(make_petals: MakePetals, tmp_path: Path) -> None:
    data = PetalsDataModule(str(make_petals(tmp_path, train=2, val=0, test=0, shards=1)))
    with pytest.raises(DataError, match=r"has no val of 32 px: give --data.train_on=train\+val"):
        data.setup("fit")


def test_training_is_shuffled_and_augmented_and_the_rest_is_not(data: PetalsDataModule) -> None:
    for stage in ("fit", "test"):
        data.setup(stage)
    train, val, test = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    assert train.augment
    assert train.sampler.shuffle
    for loader in (val, test, *data.predict_dataloader()):
        assert not loader.augment
        indices = torch.cat([batch["index"] for batch in loader])
        assert indices[indices >= 0].tolist() == list(range(len(loader.split)))


def test_the_seed_gives_the_order_and_the_augmentation(petals_root: Path) -> None:
    def first_batch(seed: int) -> tuple[list[int], torch.Tensor]:
        data = PetalsDataModule(str(petals_root), batch_size=20, augment="study", threads=2, seed=seed)
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
        return batch["index"].tolist(), batch["image"].clone()

    (index, image), (index_again, image_again), (index_other, _) = map(first_batch, (3, 3, 4))
    assert index == index_again
    assert torch.equal(image, image_again)
    assert index != index_other


class FakeTrainer:
    """What a trainer tells the data module of itself, on the second of four processes."""

    global_rank, world_size = 1, 4

    class strategy:  # noqa: N801
        root_device = torch.device("cpu")


def test_each_process_takes_its_own_rows(data: PetalsDataModule) -> None:
    data.setup("validate")
    data.trainer = cast(Trainer, FakeTrainer())
    indices = [batch["index"].tolist() for batch in data.val_dataloader()]
    assert indices == [[1, 5], [9, -1]]


def test_lightning_reads_every_record_of_an_epoch(data: PetalsDataModule) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    data.trainer = trainer
    data.setup("fit")
    (images, indices) = zip(*[(batch["image"], batch["index"]) for batch in data.train_dataloader()], strict=True)
    assert not images[0].is_pinned()
    assert sorted(torch.cat(indices).tolist()) == list(range(40))


def test_test_labels_are_joined_by_id(petals_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    header, *rows = (petals_root / "test_labels.csv").read_text().splitlines()
    path.write_text("\n".join([header, *reversed(rows)]))
    data = PetalsDataModule(str(petals_root), batch_size=9, test_labels=str(path))
    data.setup("test")
    (batch,) = data.test_dataloader()
    assert batch["label"].tolist() == [number % 4 for number in range(9)]


def test_without_test_labels_they_are_unknown(data: PetalsDataModule) -> None:
    data.setup("test")
    assert data.splits["test"].labels.tolist() == [-1] * 9


def test_test_labels_are_asked_for_by_the_test_split_only(petals_root: Path) -> None:
    data = PetalsDataModule(str(petals_root), test_labels="/nowhere.csv")
    data.setup("fit")
    with pytest.raises(DataError, match=r"--data.test_labels=/nowhere\.csv: not a readable CSV"):
        data.setup("test")


@pytest.mark.parametrize("label", [4, 2**70])
def test_test_labels_outside_the_classes_are_refused(petals_root: Path, tmp_path: Path, label: int) -> None:
    path = tmp_path / "labels.csv"
    path.write_text((petals_root / "test_labels.csv").read_text().replace("test0008,0", f"test0008,{label}"))
    data = PetalsDataModule(str(petals_root), test_labels=str(path))
    with pytest.raises(DataError, match=r"--data.test_labels=.*labels\.csv: a label is outside the classes 0\.\.3"):
        data.setup("test")


def test_a_home_folder_s_tilde_is_understood_in_test_labels(petals_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(petals_root))
    data = PetalsDataModule(str(petals_root), test_labels="~/test_labels.csv")
    data.setup("test")
    assert data.splits["test"].labels.tolist() == [number % 4 for number in range(9)]


def test_the_summary_tells_the_data_apart(data: PetalsDataModule, petals_root: Path) -> None:
    data.setup("fit")
    summary = data.summary()
    assert summary == {
        "root": str(petals_root.resolve()),
        "size": 32,
        "classes": 4,
        "class_names": [f"flower {label}" for label in range(4)],
        "records": {"train": 40, "val": 12},
        "fingerprints": {name: data.splits[name].fingerprint for name in ("train", "val")},
        "train_on": "train",
        "folds": None,
        "fold": None,
        "augment": "flips",
        "external": False,
        "pseudo_labelled": 0,
        "extra_roots": [],
        "bad_records": {},
    }
    assert len({*cast(dict[str, str], summary["fingerprints"]).values()}) == 2


@pytest.mark.parametrize(
    ("names", "told"),
    [(5, "1 classes (flower 4)"), (9, "5 classes (flower 4, flower 5, flower 6, ...)")],
)
def test_classes_without_a_training_record_are_told(
    make_petals: Callable[..., Path], tmp_path: Path, names: int, told: str
) -> None:
    root = make_petals(tmp_path / "petals")
    (root / "classes.txt").write_text("".join(f"flower {label}\n" for label in range(names)), "utf-8")
    data = PetalsDataModule(str(root))
    data.setup("fit")
    assert data.describe().endswith(f"40 train, 12 val; no training record of {told}")


def test_the_data_are_described_in_one_line(data: PetalsDataModule, petals_root: Path) -> None:
    assert str(data) == f"{petals_root}: 32 px, 4 classes, records: none opened yet"
    data.setup("fit")
    assert data.describe() == f"{petals_root}: 32 px, 4 classes, records: 40 train, 12 val"


def read(loader: Any) -> list[int]:
    index = torch.cat([batch["index"] for batch in loader])
    return sorted(index[index >= 0].tolist())


def test_train_and_val_are_kept_and_test_is_not(petals_root: Path, own_shared_memory: Path) -> None:
    data = PetalsDataModule(str(petals_root), batch_size=8)
    for name in ("train", "val", "test"):
        data.splits[name]
    assert data.choose_cache(1).startswith(f"decoded pictures are kept in memory, in {own_shared_memory}")
    train, val, test = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    assert train.cache is val.cache is data.predict_dataloader()[0].cache
    assert train.cache
    assert test.cache is None
    for loader, records in ((train, 40), (val, 12), (test, 9)):
        assert read(loader) == list(range(records))
    assert len(list(own_shared_memory.rglob("*.pictures"))) == 5


def test_nothing_is_kept_unless_it_was_chosen(petals_root: Path, own_shared_memory: Path) -> None:
    data = PetalsDataModule(str(petals_root), batch_size=8, cache="none")
    data.setup("fit")
    assert data.choose_cache(1) == "none: every picture is decoded in every epoch"
    assert data.train_dataloader().cache is None
    assert not list(own_shared_memory.iterdir())


def test_train_and_val_together_leave_nothing_to_validate_on(petals_root: Path) -> None:
    data = PetalsDataModule(str(petals_root), batch_size=8, train_on="train+val")
    data.setup("fit")
    assert data.names_for("fit") == ("train",)
    assert data.names_for("predict") == ("test",)
    assert read(data.train_dataloader()) == list(range(52))
    assert data.val_dataloader() == []
    assert data.splits.label(None, "run", 0) == "run-trainval"
    assert data.summary()["train_on"] == "train+val"


def test_a_fold_is_validated_on_and_the_others_are_trained_on(petals_root: Path) -> None:
    data = PetalsDataModule(str(petals_root), batch_size=8, folds=4, fold=2)
    data.setup("fit")
    assert data.choose_cache(1)
    assert read(data.train_dataloader()) == list(range(39))
    assert read(data.val_dataloader()) == list(range(13))
    assert data.splits.label(None, "run", 0) == "run-fold2"
    assert data.splits.label(None, "run", 3) == "run-fold2-seed3"
    assert data.splits.label("mine", "run", 3) == "mine"
    assert data.splits.label(None, "hf-hub:owner/net", 0) == "net-fold2"
    assert (data.summary()["folds"], data.summary()["fold"]) == (4, 2)


def test_external_data_mark_the_run(petals_root: Path, make_petals: MakePetals, tmp_path: Path) -> None:
    extra = make_petals(tmp_path, train=6, val=0, test=0, shards=1, seed=1)
    data = PetalsDataModule(str(petals_root), batch_size=8, extra_roots=[str(extra)])
    data.setup("fit")
    assert data.splits.external
    assert read(data.train_dataloader()) == list(range(46))
    assert read(data.val_dataloader()) == list(range(12))
    assert data.splits.label("mine", "run", 0) == "mine"
    assert data.splits.label(None, "run", 0) == "run-external"
    assert f"with external data of {extra}" in data.describe()
    assert data.summary()["extra_roots"] == [str(extra)]


@pytest.fixture
def with_damage(make_petals: MakePetals, tmp_path: Path) -> Path:
    """A data set whose training record 3 has a damaged byte, and whose record 5 cannot be decoded."""
    root = make_petals(tmp_path / "petals", train=200, val=12, test=0, shards=(2, 1, 0))
    folder = root / "tfrecords-jpeg-32x32" / "train"
    split = open_split(folder, 32, 4, labelled=True)
    records = [Record(bytes(split.image_bytes(n)), n % 4, f"id{n}") for n in range(200)]
    records[5] = Record(b"no picture", 1, "id5")
    write_split(folder, 32, records, shards=2)
    shard = open_split(folder, 32, 4, labelled=True).shards[0].records()
    data = bytearray(shard.path.read_bytes())
    data[shard.spans[3].offset + 100] ^= 0xFF
    shard.path.write_bytes(data)
    return root


def test_bad_records_are_left_out_and_listed_where_that_was_asked_for(with_damage: Path) -> None:
    data = PetalsDataModule(str(with_damage), batch_size=16, augment="study", on_bad_record="skip")
    data.setup("fit")
    assert list(data.splits["train"].bad) == [3]
    assert read(data.train_dataloader()) == [n for n in range(200) if n not in (3, 5)]
    bad = cast(dict[str, list[str]], data.summary()["bad_records"])
    assert list(bad) == ["train"]
    assert ["00-32x32-100.tfrec: record 3 at byte" in bad["train"][0], "record 5 at byte" in bad["train"][1]] == [
        True
    ] * 2


def test_bad_records_are_an_error_unless_they_are_skipped(with_damage: Path) -> None:
    data = PetalsDataModule(str(with_damage), batch_size=16)
    data.setup("fit")
    with pytest.raises(DataError, match=r"record [35] at byte"):
        read(data.train_dataloader())


def test_micro_batches_divide_what_each_device_gets(petals_root):
    data = PetalsDataModule(str(petals_root), batch_size=12, micro_batch=4)
    data.check_batch_size(1)
    with pytest.raises(UserError, match=r"--data\.micro_batch=4: must divide the 6 pictures that a device gets"):
        data.check_batch_size(2)


def test_classes_are_balanced_in_training_alone(petals_root):
    data = PetalsDataModule(root=str(petals_root), batch_size=8, threads=1, cache="none", balance=1.0)
    split = data.splits["train"]
    split.labels = np.repeat([0, 1], [32, 8])
    trained = np.concatenate([positions for positions, _ in data.train_dataloader().sampler])
    assert np.bincount(split.labels[trained]).tolist() == [20, 20]
    validated = np.concatenate([positions for positions, _ in data.val_dataloader().sampler])
    assert sorted(validated[:12]) == list(range(12))
    with pytest.raises(UserError, match=r"--data\.balance=2\.0: must be in 0\.\.1"):
        PetalsDataModule(root=str(petals_root), balance=2.0)
