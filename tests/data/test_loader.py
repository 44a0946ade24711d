"""The loader: batches as the contract says, the same whatever the threads, and never one over another."""

import gc
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from numpy.typing import NDArray

from lightning_flowers.batch import Batch
from lightning_flowers.data import buffers
from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.loader import AHEAD, Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits import split as splits
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.writer import Record
from lightning_flowers.errors import DataError
from tests.shards import write_split

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
    empty = buffers._empty
    monkeypatch.setattr(buffers, "_empty", lambda shape, pin: (made.append(shape), empty(shape, pin))[1])
    loader = Loader(train, Order(40, 4))
    for number in range(4):
        loader.sampler.set_epoch(number)
        assert sum(len(batch["image"]) for batch in loader) == 40
    # Of 40 batches: those in the making, the consumer's, and those a thread has not let go of yet.
    assert 1 <= len(made) <= AHEAD + 4


def test_no_row_begins_where_libjpeg_writes_past_the_cache(train: Split) -> None:
    assert all(batch["image"].data_ptr() % 32 == 16 for batch in Loader(train, Order(40, 4)))


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
    shard = split.shards[1].records()
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


def test_pictures_of_another_size_are_resized(tmp_path: Path) -> None:
    pictures = [np.full((side, side, 3), 99, np.uint8) for side in (32, 40, 32, 24, 40)]
    images = [simplejpeg.encode_jpeg(picture, colorspace="RGB") for picture in pictures]
    write_split(tmp_path, 32, [Record(image, 0, str(number)) for number, image in enumerate(images)], shards=1)
    (batch,) = epoch(Loader(open_split(tmp_path, 32, 4, labelled=True), Order(5, 8)))
    assert ((batch["image"].int() - 99).abs() < 3).all()


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


def rows(batches: list[Batch]) -> list[tuple[list[int], list[int], list[bool], bytes]]:
    """All that batches hold, to compare."""
    return [
        (batch["index"].tolist(), batch["label"].tolist(), batch["mask"].tolist(), images([batch]).tobytes())
        for batch in batches
    ]


@pytest.fixture(params=["none", "ram", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> PictureCache | None:
    folder = tmp_path / "pictures" if request.param == "disk" else None
    return None if request.param == "none" else PictureCache(folder, 32)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("preset", ["none", "flips", "affine"])
def test_kept_pictures_make_the_same_batches(
    train: Split, cache: PictureCache | None, preset: str, threads: int
) -> None:
    def loader(cache: PictureCache | None, threads: int) -> Loader:
        return Loader(train, Order(40, 12, shuffle=True, seed=2), Augment(preset, 32), threads, cache=cache)

    kept, anew = loader(cache, threads), loader(None, 2)
    for number in range(3):
        assert rows(epoch(kept, number)) == rows(epoch(anew, number))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batches", [0, 1, 3])
def test_a_loader_goes_on_where_another_one_stopped(
    train: Split, cache: PictureCache | None, threads: int, batches: int
) -> None:
    def loader(threads: int) -> Loader:
        order = Order(40, 12, shuffle=True, seed=2, rank=1, world=2)
        order.set_epoch(3)
        return Loader(train, order, Augment("study", 32), threads, cache=cache)

    whole = rows(list(loader(2)))
    stopped, other = loader(threads), loader(threads)
    iterator = iter(stopped)
    given = [next(iterator) for _ in range(batches)]
    other.load_state_dict(stopped.state_dict())
    assert rows(given) + rows(list(other)) == whole
    assert rows(list(other)) == whole  # the next epoch is whole


def test_each_picture_is_decoded_once_where_it_is_kept(train: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode = splits.decode_into
    monkeypatch.setattr(splits, "decode_into", lambda encoded, out: (decoded.append(1), decode(encoded, out))[1])
    loader = Loader(train, Order(40, 8, shuffle=True), cache=PictureCache(None, 32))
    for number in range(3):
        epoch(loader, number)
    assert len(decoded) == 40


@pytest.mark.parametrize(("preset", "shares"), [("none", {12}), ("flips", {12}), ("study", {6})])
def test_a_thread_copies_whole_batches_once_all_are_kept(
    train: Split, monkeypatch: pytest.MonkeyPatch, preset: str, shares: set[int]
) -> None:
    """Decoding and dear augmentation are shared by the threads, as is an epoch in which pictures are still to come."""
    taken: list[int] = []
    fill = Loader._fill
    monkeypatch.setattr(
        Loader, "_fill", lambda self, epoch, *rows: taken.append(len(rows[1])) or fill(self, epoch, *rows)
    )
    loader = Loader(train, Order(40, 12), Augment(preset, 32), threads=2, cache=PictureCache(None, 32))
    epoch(loader)
    assert set(taken) == {6}
    taken.clear()
    epoch(loader, 1)
    assert set(taken) == shares


BAD = (0, 8, 131)  # the first row of a batch, of a thread's share, and one in another shard


def write_with_bad(folder: Path, bad: tuple[int, ...] = BAD, records: int = 300) -> None:
    """Shards whose pictures are each of one grey of their own; the bad ones cannot be decoded."""
    pictures = (np.full((32, 32, 3), 30 + number % 200, np.uint8) for number in range(records))
    encoded = [simplejpeg.encode_jpeg(picture, 95, colorspace="RGB") for picture in pictures]
    images = [b"no picture" if number in bad else image for number, image in enumerate(encoded)]
    write_split(folder, 32, [Record(image, number % 4, f"id{number}") for number, image in enumerate(images)], shards=3)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_bad_record_s_row_is_masked_and_holds_another_picture_of_the_batch(
    tmp_path: Path, cache: PictureCache | None, threads: int
) -> None:
    write_with_bad(tmp_path / "shards")
    split = open_split(tmp_path / "shards", 32, 4, labelled=True, skip=True)
    loader = Loader(split, Order(300, 20), threads=threads, cache=cache)
    for number in range(2):
        batches = epoch(loader, number)
        for start, batch in zip(range(0, 300, 20), batches, strict=True):
            bad = [position for position in range(start, start + 20) if position in BAD]
            expected = [-1 if position in bad else position for position in range(start, start + 20)]
            assert batch["index"].tolist() == expected
            assert batch["mask"].tolist() == [position >= 0 for position in expected]
            assert batch["label"].tolist() == [position % 4 if position >= 0 else -1 for position in expected]
            levels = images([batch]).mean((1, 2, 3))
            good = {round(level) for level, real in zip(levels, batch["mask"], strict=True) if real}
            assert {round(level) for level in levels} == good
        assert sorted(split.bad) == [*BAD]
    assert all("the picture cannot be decoded" in str(error) for error in split.bad.values())


def test_a_record_known_to_be_bad_is_no_longer_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_with_bad(tmp_path)
    split, checked = open_split(tmp_path, 32, 4, True, skip=True), []
    loader = Loader(split, Order(300, 32), cache=PictureCache(None, 32))
    epoch(loader)
    monkeypatch.setattr(splits, "decode_into", None)
    monkeypatch.setattr(split, "check_bad", lambda: checked.append(1))
    assert sum(int(batch["mask"].sum()) for batch in epoch(loader)) == 297
    assert len(checked) == 1  # at the beginning: each looks at every record


def test_a_bad_record_that_fills_up_a_batch_counts_once(tmp_path: Path) -> None:
    write_with_bad(tmp_path, bad=(0,))
    split = open_split(tmp_path, 32, 4, labelled=True, skip=True)
    last = epoch(Loader(split, Order(300, 32)))[-1]
    assert last["mask"].tolist() == [True] * 12 + [False] * 20
    assert images([last]).mean((1, 2, 3))[12] > 29  # not black
    assert len(split.bad) == 1


def test_a_batch_of_bad_records_alone_is_black(tmp_path: Path) -> None:
    write_with_bad(tmp_path, bad=(0, 1))
    (first, *_) = epoch(Loader(open_split(tmp_path, 32, 4, True, skip=True), Order(300, 2)))
    assert not first["image"].any()
    assert not first["mask"].any()


def test_more_bad_records_than_one_in_a_hundred_are_an_error(tmp_path: Path) -> None:
    write_with_bad(tmp_path, bad=(5, 100, 200, 250))
    split = open_split(tmp_path, 32, 4, labelled=True, skip=True)
    with pytest.raises(
        DataError, match=r"4 of 300 records cannot be used, more than 1% of them; the first: .*record 5 "
    ):
        epoch(Loader(split, Order(300, 32), threads=1))


def test_too_many_bad_records_of_all_processes_together_end_the_next_epoch(tmp_path: Path) -> None:
    write_with_bad(tmp_path)
    split = open_split(tmp_path, 32, 4, labelled=True, skip=True)
    loader = Loader(split, Order(300, 20, rank=1, world=2))
    assert len(epoch(loader)) == 15
    for position in range(20, 24):
        split.note_bad(position, "as another process says")
    with pytest.raises(DataError, match="records cannot be used, more than 1%"):
        epoch(loader, 1)


def test_a_damaged_record_is_masked_though_its_picture_was_kept_before(tmp_path: Path) -> None:
    write_with_bad(tmp_path / "shards", bad=())
    cache = PictureCache(tmp_path / "pictures", 32)
    epoch(Loader(open_split(tmp_path / "shards", 32, 4, labelled=True), Order(300, 50), cache=cache))
    shard = open_split(tmp_path / "shards", 32, 4, labelled=True).shards[0].records()
    data = bytearray(shard.path.read_bytes())
    data[shard.spans[7].offset + shard.spans[7].length // 2] ^= 0xFF
    shard.path.write_bytes(data)
    split = open_split(tmp_path / "shards", 32, 4, labelled=True, skip=True)
    first = epoch(Loader(split, Order(300, 50), cache=PictureCache(tmp_path / "pictures", 32)))[0]
    assert [first[name][7].item() for name in ("index", "label", "mask")] == [-1, -1, False]
    assert int(first["mask"].sum()) == 49
