"""The loader: batches as the contract says, the same whatever the threads, and never one over another."""

import gc
import shutil
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from numpy.typing import NDArray

from lightning_flowers.batch import Batch
from lightning_flowers.data.augment import Augment
from lightning_flowers.data.loader import AHEAD, Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.split import Split, open_split
from lightning_flowers.data.writer import Record, write_split
from lightning_flowers.errors import DataError

FOLDER = "tfrecords-jpeg-32x32"


@pytest.fixture(scope="session")
def train(petals_root: Path) -> Split:
    """40 records of 32 px."""
    return open_split(petals_root / FOLDER / "train", 32, 4, labelled=True)


@pytest.fixture(scope="session")
def pictures(train: Split) -> NDArray[np.uint8]:
    """The split's pictures, decoded one by one."""
    return np.stack([simplejpeg.decode_jpeg(bytes(train.image_bytes(position))) for position in range(40)])


def epoch(loader: Loader, number: int = 0) -> list[Batch]:
    loader.sampler.set_epoch(number)
    return list(loader)


def images(batches: list[Batch]) -> NDArray[np.uint8]:
    """All pictures of an epoch, (records, size, size, 3)."""
    return torch.cat([batch["image"] for batch in batches]).permute(0, 2, 3, 1).numpy()


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_batches_are_as_the_contract_says(train: Split) -> None:
    loader = Loader(train, Order(40, 12), threads=2)
    batches = epoch(loader)
    assert len(batches) == len(loader) == 4
    for batch in batches:
        assert {name: value.dtype for name, value in batch.items() if isinstance(value, torch.Tensor)} == {
            "image": torch.uint8,
            "label": torch.int64,
            "index": torch.int64,
            "mask": torch.bool,
        }
        assert batch["image"].shape == (12, 3, 32, 32)
        assert batch["image"].is_contiguous(memory_format=torch.channels_last)
        assert batch["label"].shape == batch["index"].shape == batch["mask"].shape == (12,)


def test_labels_and_indices_are_the_records_and_minus_one_on_padding(train: Split) -> None:
    batches = epoch(Loader(train, Order(40, 12)))
    index, label, mask = (torch.cat([batch[name] for batch in batches]).tolist() for name in ("index", "label", "mask"))
    assert index == [*range(40)] + [-1] * 8
    assert label == [*train.labels.tolist()] + [-1] * 8
    assert mask == [True] * 40 + [False] * 8


def test_unknown_labels_are_minus_one(petals_root: Path) -> None:
    split = open_split(petals_root / FOLDER / "test", 32, 4, labelled=False)
    (batch,) = epoch(Loader(split, Order(9, 9)))
    assert batch["label"].tolist() == [-1] * 9
    assert batch["index"].tolist() == [*range(9)]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 7, 20])
def test_pictures_are_those_of_a_direct_decode(
    train: Split, pictures: NDArray[np.uint8], threads: int, size: int
) -> None:
    batches = epoch(Loader(train, Order(40, size, shuffle=True, seed=5), threads=threads))
    index = torch.cat([batch["index"] for batch in batches]).numpy()
    np.testing.assert_array_equal(images(batches)[index >= 0], pictures[index[index >= 0]])


def test_padding_holds_real_pictures(train: Split, pictures: NDArray[np.uint8]) -> None:
    last = epoch(Loader(train, Order(40, 12)))[-1]
    np.testing.assert_array_equal(images([last])[4:], pictures[:8])


@pytest.mark.parametrize("preset", ["flips", "study"])
def test_augmented_pictures_are_equal_for_any_number_of_threads(train: Split, preset: str) -> None:
    def augmented(threads: int) -> NDArray[np.uint8]:
        order = Order(40, 16, shuffle=True, seed=2)
        return images(epoch(Loader(train, order, Augment(preset, 32), threads)))  # pyright: ignore[reportArgumentType]

    np.testing.assert_array_equal(augmented(1), augmented(3))


def test_each_picture_is_augmented_by_its_own_seed_epoch_and_record(train: Split, pictures: NDArray[np.uint8]) -> None:
    augment = Augment("study", 32)
    batches = epoch(Loader(train, Order(40, 40, shuffle=True, seed=9), augment), 4)
    index = batches[0]["index"].tolist()
    expected = [augment(pictures[position].copy(), 9, 4, position) for position in index]
    np.testing.assert_array_equal(images(batches), np.stack(expected))


def test_other_epochs_are_other_and_the_same_epoch_is_the_same(train: Split) -> None:
    loader = Loader(train, Order(40, 16, shuffle=True), Augment("study", 32))
    first, second, again = (epoch(loader, number) for number in (0, 1, 0))
    assert not torch.equal(first[0]["index"], second[0]["index"])
    np.testing.assert_array_equal(images(first), images(again))
    assert all(torch.equal(a["index"], b["index"]) for a, b in zip(first, again, strict=True))


def test_ranks_read_different_halves_of_the_same_batch(train: Split, pictures: NDArray[np.uint8]) -> None:
    for rank in range(2):
        batches = epoch(Loader(train, Order(40, 8, rank=rank, world=2)))
        np.testing.assert_array_equal(images(batches), pictures[rank::2])


def test_a_batch_still_held_is_never_overwritten(train: Split, pictures: NDArray[np.uint8]) -> None:
    loader = Loader(train, Order(40, 4))
    held: list[object] = []
    views: list[tuple[int, NDArray[np.uint8]]] = []
    for number in range(3):
        for batch in epoch(loader, number):
            start = int(batch["index"][0])
            kind = (number + start // 4) % 4
            if kind == 0:
                held.append(batch)
                views.append((start, batch["image"].permute(0, 2, 3, 1).numpy()))
            elif kind == 1:  # only a view of a part of it
                views.append((start + 1, batch["image"][1:3].permute(0, 2, 3, 1).numpy()))
            elif kind == 2:  # torch sees the same memory through another storage's view
                views.append(
                    (start, batch["image"].detach().view(torch.int8).view(torch.uint8).permute(0, 2, 3, 1).numpy())
                )
            del batch
    assert len(views) > 15
    for start, view in views:
        np.testing.assert_array_equal(view, pictures[start : start + len(view)])


def test_all_batches_of_an_epoch_can_be_held(train: Split, pictures: NDArray[np.uint8]) -> None:
    loader = Loader(train, Order(40, 5))
    first, second = epoch(loader), epoch(loader)
    np.testing.assert_array_equal(images(first), pictures)
    np.testing.assert_array_equal(images(second), pictures)
    assert len({batch["image"].data_ptr() for batch in first + second}) == 16


def test_memory_is_used_again_once_its_batch_is_released(train: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda shape, **kinds: (made.append(shape), empty(shape, **kinds))[1])
    loader = Loader(train, Order(40, 4))
    for number in range(4):
        loader.sampler.set_epoch(number)
        assert sum(len(batch["image"]) for batch in loader) == 40
    # Of 40 batches: those in the making, the consumer's, and those a thread has not let go of yet.
    assert 1 <= made.count((4, 32, 32, 3)) <= AHEAD + 4


def test_an_early_break_leaves_no_thread_and_the_next_epoch_is_whole(train: Split, pictures: NDArray[np.uint8]) -> None:
    loader = Loader(train, Order(40, 4), threads=3)
    for batch in loader:
        assert batch["index"].tolist() == [0, 1, 2, 3]
        assert decoding_threads()
        break
    gc.collect()
    assert not decoding_threads()
    np.testing.assert_array_equal(images(epoch(loader)), pictures)
    assert not decoding_threads()


@pytest.fixture
def damaged(petals_root: Path, tmp_path: Path) -> Split:
    """The training split, its record 17 (record 3 of shard 01) damaged."""
    shutil.copytree(petals_root / FOLDER / "train", tmp_path / "train")
    split = open_split(tmp_path / "train", 32, 4, labelled=True)
    shard = split.shards[1].open().shard
    data = bytearray(shard.path.read_bytes())
    data[shard.spans[3].offset + shard.spans[3].length // 2] ^= 0xFF
    shard.path.write_bytes(data)
    return open_split(tmp_path / "train", 32, 4, labelled=True)


def test_a_damaged_record_is_named_and_nothing_hangs(damaged: Split) -> None:
    def consume() -> list[list[int]]:
        seen: list[list[int]] = []
        batches = (batch["index"].tolist() for batch in Loader(damaged, Order(40, 4), threads=2))
        with pytest.raises(DataError, match=r"01-32x32-13\.tfrec: record 3 at byte \d+: the payload does not match"):
            seen.extend(batches)
        return seen

    with ThreadPoolExecutor(1, thread_name_prefix="consumer") as pool:
        seen = pool.submit(consume).result(timeout=30)
    assert seen == [[first, first + 1, first + 2, first + 3] for first in range(0, 16, 4)]
    assert not decoding_threads()


@pytest.mark.parametrize("image", [b"no picture", b"", b"\xff\xd8\xff"])
def test_a_record_whose_picture_cannot_be_decoded_is_named(tmp_path: Path, image: bytes) -> None:
    write_split(tmp_path, 32, [Record(image, 0, "rose")], shards=1)
    loader = Loader(open_split(tmp_path, 32, 4, labelled=True), Order(1, 2))
    with pytest.raises(DataError, match=r"00-32x32-1\.tfrec: record 0 at byte 0: "):
        epoch(loader)


def test_resized_pictures_are_counted_without_padding_and_told_of_once(tmp_path: Path) -> None:
    sides = [32, 40, 32, 24, 40]
    records = [
        Record(simplejpeg.encode_jpeg(np.full((side, side, 3), 99, np.uint8), colorspace="RGB"), 0, str(number))
        for number, side in enumerate(sides)
    ]
    write_split(tmp_path, 32, records, shards=1)
    loader = Loader(open_split(tmp_path, 32, 4, labelled=True), Order(5, 8))
    with pytest.warns(UserWarning, match=r": 3 pictures are not 32x32 and were resized"):
        epoch(loader)
    assert loader.resized == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (batch,) = epoch(loader)
    assert loader.resized == 3
    assert ((batch["image"].int() - 99).abs() < 3).all()


def test_pictures_of_the_right_size_are_not_warned_about(train: Split) -> None:
    loader = Loader(train, Order(40, 8))
    epoch(loader)
    assert loader.resized == 0


def test_the_wait_for_batches_is_counted(train: Split) -> None:
    loader = Loader(train, Order(40, 8))
    epoch(loader)
    first = loader.waited
    epoch(loader)
    assert 0 < first < loader.waited < 60


def test_two_iterations_at_once_do_not_mix(train: Split) -> None:
    loader = Loader(train, Order(40, 8))
    for a, b in zip(loader, loader, strict=True):
        assert torch.equal(a["image"], b["image"])
        assert a["image"].data_ptr() != b["image"].data_ptr()
