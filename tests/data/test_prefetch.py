"""Splits whose shards come from elsewhere: the first batch needs the first shard alone."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lightning_flowers.batch import Batch
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.fingerprints import content
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.index import LazyShard, Rules
from lightning_flowers.errors import DataError, UserError

MakePetals = Callable[..., Path]
FOLDER = "tfrecords-jpeg-32x32"


class Shelf:
    """A store of the shards of a folder, each there when its gate is open, which notes what it is asked."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self.gates: dict[str, threading.Event] = {}
        self.planned: list[list[str]] = []
        self.got: list[str] = []
        self.lost: set[str] = set()

    def prefetch(self, paths: Sequence[str]) -> None:
        self.planned.append([*paths])

    def get(self, path: str) -> Path:
        if path in self.gates:
            assert self.gates[path].wait(20)
        self.got.append(path)
        if path in self.lost:
            raise DataError(f"{path}: cannot be fetched")
        return self._source / path

    def interrupt(self) -> None:
        for gate in self.gates.values():
            gate.set()


@pytest.fixture
def source(petals_root: Path) -> Path:
    """40 records in shards of 14, 13 and 13."""
    return petals_root / FOLDER / "train"


@pytest.fixture
def shelf(source: Path) -> Iterator[Shelf]:
    shelf = Shelf(source)
    yield shelf
    for gate in shelf.gates.values():
        gate.set()


def split_of(shelf: Shelf, source: Path, skip: bool = False) -> Split:
    rules = Rules(4, labelled=True, skip=skip)
    names = sorted(path.name for path in source.iterdir())
    return Split("shelf", [LazyShard(f"shelf://{name}", rules, None, shelf, name) for name in names], 32)


@pytest.fixture
def split(shelf: Shelf, source: Path) -> Split:
    return split_of(shelf, source)


def order_of(split: Split, batch_size: int = 4) -> Order:
    return Order(len(split), batch_size, shuffle=True, seed=1, groups=split.rows[:, 0])


def in_order(split: Split, order: Order) -> list[str]:
    """The shards in the order in which an epoch comes to them."""
    numbers = np.concatenate([split.rows[positions, 0] for positions, _ in order])
    return [split.shards[number].path for number in dict.fromkeys(numbers.tolist())]


def epoch(loader: Loader, number: int = 0) -> list[Batch]:
    loader.sampler.set_epoch(number)
    return list(loader)


def assert_right(batches: list[Batch], source: Path) -> None:
    """Every record once, each with its own picture and label."""
    near = open_split(source, 32, 4, labelled=True)
    (image, index, label) = (torch.cat([batch[name] for batch in batches]) for name in ("image", "index", "label"))
    real = index >= 0
    assert sorted(index[real].tolist()) == list(range(len(near)))
    assert label[real].tolist() == near.labels[index[real].numpy()].tolist()
    expected = torch.cat([batch["image"] for batch in Loader(near, Order(len(near), len(near)))])
    assert torch.equal(image[real], expected[index[real]])


def test_the_fingerprint_fetches_nothing_and_tells_the_content_once_all_have_come(
    split: Split, shelf: Shelf, source: Path
) -> None:
    listed = split.fingerprint
    assert not shelf.got
    assert "-" not in listed
    list(Loader(split, order_of(split)))
    near = open_split(source, 32, 4, labelled=True).fingerprint
    assert split.fingerprint.startswith(f"{listed}-")
    assert content(split.fingerprint) == content(near)


def test_the_first_batches_are_out_while_the_second_shard_is_withheld(split: Split, shelf: Shelf, source: Path) -> None:
    order = order_of(split)
    first, second, third = in_order(split, order)
    shelf.gates = {place: threading.Event() for place in (second, third)}
    batches = iter(Loader(split, order, threads=2))
    out = [next(batches) for _ in range(3)]
    assert shelf.planned == [[first, second, third]]
    assert shelf.got == [first]
    for gate in shelf.gates.values():
        gate.set()
    assert_right([*out, *batches], source)


def test_once_all_are_here_records_of_all_shards_are_mixed(split: Split, shelf: Shelf, source: Path) -> None:
    loader = Loader(split, order_of(split, 20))
    for number, shards in ((0, 2), (1, 3)):
        batches = epoch(loader, number)
        assert_right(batches, source)
        assert len(np.unique(split.rows[batches[0]["index"].numpy(), 0])) == shards
    assert len(shelf.got) == 3
    assert len(shelf.planned) == 1


def test_going_on_inside_an_epoch_needs_the_shards_that_are_left(split: Split, shelf: Shelf) -> None:
    order = order_of(split)
    first, *rest = in_order(split, order)
    loader = Loader(split, order)
    loader.load_state_dict({"batches": 4, "batch_size": 4, "records": 40})
    assert len(list(loader)) == 6
    assert shelf.planned == [rest]
    assert first not in shelf.got


@pytest.mark.parametrize("skip", [False, True])
def test_a_shard_that_cannot_be_had_is_an_error_also_where_bad_records_are_skipped(
    shelf: Shelf, source: Path, skip: bool
) -> None:
    split = split_of(shelf, source, skip)
    order = order_of(split)
    lost = in_order(split, order)[1]
    shelf.lost = {lost}
    with pytest.raises(DataError, match=f"{lost}: cannot be fetched"):
        epoch(Loader(split, order, threads=2))
    assert shelf.got.count(lost) <= 8  # of 13 or 14 records: once for each share of the batches that are under way
    assert not split.bad


def test_an_error_ends_the_waiting_for_other_shards(split: Split, shelf: Shelf) -> None:
    order = order_of(split, 20)
    lost, withheld, _ = in_order(split, order)
    shelf.lost = {lost}
    shelf.gates = {withheld: threading.Event()}
    with pytest.raises(DataError, match=f"{lost}: cannot be fetched"):
        epoch(Loader(split, order, threads=3))
    assert shelf.gates[withheld].is_set()


def test_labels_and_ids_are_read_shard_by_shard(split: Split, shelf: Shelf, source: Path) -> None:
    near = open_split(source, 32, 4, labelled=True)
    assert split.labels.tolist() == near.labels.tolist()
    assert shelf.planned == [[shard.path for shard in split.shards]]
    assert split.ids.tolist() == near.ids.tolist()
    assert len(shelf.got) == 3


@pytest.fixture
def url(petals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The tiny data set in fsspec's memory; what is fetched of it goes to a folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.put(str(petals_root), "/prefetch-petals", recursive=True)
    yield "memory://prefetch-petals"
    memory.rm("/prefetch-petals", recursive=True)


def indices(batches: list[Batch]) -> NDArray[np.int64]:
    index = torch.cat([batch["index"] for batch in batches]).numpy()
    return index[index >= 0]


def test_a_url_is_trained_from_within_its_limit(url: str, source: Path, tmp_path: Path) -> None:
    data = PetalsDataModule(url, batch_size=4, threads=2, cache="none", remote_limit=10**7, augment="none")
    data.setup("fit")
    loader = data.train_dataloader()
    for number in range(2):
        assert_right(epoch(loader, number), source)
        assert indices(epoch(data.val_dataloader())).tolist() == list(range(12))
    assert 0 < sum(path.stat().st_size for path in tmp_path.glob("cache/**/*.tfrec")) <= 10**7


def test_shards_that_take_more_than_the_limit_are_refused(url: str) -> None:
    data = PetalsDataModule(url, batch_size=4, threads=2, remote_limit=50_000)
    with pytest.raises(UserError, match=r"--data\.remote_limit=50000: the shards of 32 px take \d+ bytes together"):
        data.setup("fit")


def test_folds_of_a_url_are_those_of_its_folder(url: str, petals_root: Path) -> None:
    far, near = (PetalsDataModule(str(root), batch_size=4, folds=3, fold=1) for root in (url, petals_root))
    far.setup("fit")
    near.setup("fit")
    for name in ("train", "val"):
        np.testing.assert_array_equal(far.splits[name].rows, near.splits[name].rows)
    assert indices(epoch(far.train_dataloader())).size == 35
