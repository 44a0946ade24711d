"""Decoded pictures: never one that was not put, whatever fills up, is killed, removed or replaced meanwhile."""

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_flowers import portable
from lightning_flowers.data.cache import files
from lightning_flowers.data.cache.files import STALE_SECONDS, allocated, evict, room
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.decode import decode_into
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.index import ShardRecords

MakePetals = Callable[..., Path]
FOLDER = "tfrecords-jpeg-32x32"
FILLER = """
import sys, time
from pathlib import Path
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.sources.folder import open_split

shards, folder, seed, pause = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
split = open_split(shards, 32, 4, labelled=True)
print("ready", flush=True)
sys.stdin.readline()
order = Order(len(split), 2, shuffle=True, seed=seed)
for number, _ in enumerate(Loader(split, order, threads=2, cache=PictureCache(folder, 32))):
    print(number, flush=True)
    time.sleep(pause)
"""


@pytest.fixture
def train(petals_root: Path) -> Split:
    """40 records in three shards."""
    return open_split(petals_root / FOLDER / "train", 32, 4, labelled=True)


@pytest.fixture
def records(train: Split) -> ShardRecords:
    """Its first shard, of 14 records."""
    return train.shards[0].records()


def decoded(split: Split) -> NDArray[np.uint8]:
    pictures = np.empty((len(split), split.size, split.size, 3), np.uint8)
    for position, picture in enumerate(pictures):
        decode_into(split.image_bytes(position), picture)
    return pictures


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((32, 32, 3), level, np.uint8)


def fill(cache: PictureCache, records: ShardRecords, numbers: range | None = None) -> None:
    pictures = cache.of(records)
    assert pictures
    for number in numbers or range(len(records)):
        pictures.put(number, grey(number))


def levels(cache: PictureCache, records: ShardRecords) -> list[int | None]:
    """The grey of each picture of a shard, None where it is not there."""
    pictures = cache.of(records)
    assert pictures
    found = [pictures.get(number) for number in range(len(records))]
    assert all((picture == picture[0, 0, 0]).all() for picture in found if picture is not None)
    return [None if picture is None else int(picture[0, 0, 0]) for picture in found]


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pictures"))


@pytest.fixture(params=["shared", "own"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "pictures" if request.param == "shared" else None, 32)


def test_a_picture_is_there_once_it_was_put_and_not_before(cache: PictureCache, records: ShardRecords) -> None:
    pictures = cache.of(records)
    assert pictures
    assert pictures is cache.of(records)
    pictures.put(3, grey(7))
    pictures.put(5, grey(0))
    assert levels(cache, records) == [None, None, None, 7, None, 0, *[None] * 8]


def test_pictures_cannot_be_written_to(cache: PictureCache, records: ShardRecords) -> None:
    fill(cache, records)
    pictures = cache.of(records)
    assert pictures
    picture = pictures.get(0)
    assert picture is not None
    with pytest.raises(ValueError, match="read-only"):
        picture[0] = 1


def test_all_of_a_split_are_had_at_once_when_the_last_has_come(cache: PictureCache, train: Split) -> None:
    part = train.select(np.array([30, 2, 13]))
    assert cache.all_of(part) is None
    fill(cache, part.shards[0].records())
    assert cache.all_of(part) is None
    fill(cache, part.find(0)[0])
    pictures = cache.all_of(part)
    assert pictures is not None
    np.testing.assert_array_equal(pictures, [grey(part.find(position)[1]) for position in range(3)])
    assert cache.all_of(train) is None
    part.note_bad(1, "damaged since")
    assert cache.all_of(part) is None


def test_a_view_outlives_its_cache(cache: PictureCache, records: ShardRecords) -> None:
    fill(cache, records)
    pictures = cache.of(records)
    assert pictures
    picture = pictures.get(9)
    assert picture is not None
    del pictures, cache
    gc.collect()
    assert (picture == 9).all()


def test_threads_that_put_the_same_pictures_do_not_hinder_each_other(tmp_path: Path, records: ShardRecords) -> None:
    for turn in range(20):
        cache = PictureCache(tmp_path / str(turn), 32)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(fill, repeat(cache, 8), repeat(records)))
        assert levels(cache, records) == [*range(14)]
        assert len(names(tmp_path / str(turn))) == 1


def test_caches_of_one_folder_share_the_pictures(tmp_path: Path, records: ShardRecords) -> None:
    first, second = PictureCache(tmp_path, 32), PictureCache(tmp_path, 32)
    fill(first, records, range(6))
    assert levels(second, records) == [*range(6), *[None] * 8]
    fill(second, records, range(6, 14))
    assert levels(first, records) == [*range(14)]


def test_files_belong_to_the_user_alone(tmp_path: Path, records: ShardRecords) -> None:
    folder = tmp_path / "pictures"
    fill(PictureCache(folder, 32), records)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(("of", "name"), [(files, "decoders"), (portable, "boot")])
def test_pictures_of_another_decoder_or_start_of_the_machine_are_not_used(
    tmp_path: Path, records: ShardRecords, monkeypatch: pytest.MonkeyPatch, of: ModuleType, name: str
) -> None:
    fill(PictureCache(tmp_path, 32), records)
    monkeypatch.setattr(of, name, lambda: "another")
    assert levels(PictureCache(tmp_path, 32), records) == [None] * 14


def test_a_shard_that_has_changed_has_other_pictures(make_petals: MakePetals, tmp_path: Path) -> None:
    def shown(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        root = make_petals(tmp_path / "petals", train=8, val=0, test=0, shards=1, seed=seed)
        split = open_split(root / FOLDER / "train", 32, 4, labelled=True)
        list(Loader(split, Order(8, 8), cache=PictureCache(tmp_path / "pictures", 32)))
        (batch,) = Loader(split, Order(8, 8), cache=PictureCache(tmp_path / "pictures", 32))
        return batch["image"].permute(0, 2, 3, 1).numpy(), decoded(split)

    first, second = shown(0), shown(1)
    np.testing.assert_array_equal(*first)
    np.testing.assert_array_equal(*second)
    assert not np.array_equal(first[0], second[0])


def test_a_full_disk_ends_the_keeping_and_nothing_else(
    tmp_path: Path, train: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, left = os.pwrite, [20]

    def full(file: int, data: bytes, position: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, data, position)

    cache = PictureCache(tmp_path, 32)
    for shard in train.shards:
        assert cache.of(shard.records())
    monkeypatch.setattr(os, "pwrite", full)
    loader = Loader(train, Order(40, 8), threads=1, cache=cache)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"--data.cache: no more pictures are kept: No space left on device"):
            shown = np.concatenate([batch["image"].permute(0, 2, 3, 1).numpy() for batch in loader])
        np.testing.assert_array_equal(shown, decoded(train))
        loader.cache = cache = PictureCache(tmp_path, 32)  # the next run: 20 pictures are there
        left[0] = 0
    assert cache.all_of(train.select(np.arange(20)))
    assert sum(cache.all_of(train.select(np.array([position]))) is None for position in range(40)) == 20


def test_writes_that_fall_short_go_on(tmp_path: Path, records: ShardRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, position: pwrite(file, data[:1000], position))
    fill(PictureCache(tmp_path, 32), records)
    assert levels(PictureCache(tmp_path, 32), records) == [*range(14)]


def test_no_room_even_for_a_file_leaves_no_descriptor(
    tmp_path: Path, records: ShardRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = open_files()
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        cache = PictureCache(tmp_path, 32)
        with pytest.warns(UserWarning, match=r"--data.cache: .*: No space left on device: not kept"):
            assert cache.of(records) is None
        assert cache.of(records) is None  # and not warned of again
    assert open_files() == before
    fill(PictureCache(tmp_path, 32), records)
    assert levels(PictureCache(tmp_path, 32), records) == [*range(14)]


@pytest.fixture
def small_memory(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with room for a few pictures."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_memory_kills_nobody(small_memory: Path, train: Split) -> None:
    loader = Loader(train, Order(40, 8), threads=2, cache=PictureCache(small_memory, 32))
    with pytest.warns(UserWarning, match=r"--data.cache: .*No space left on device"):
        epochs = [np.concatenate([batch["image"].permute(0, 2, 3, 1).numpy() for batch in loader]) for _ in range(2)]
    for shown in epochs:
        np.testing.assert_array_equal(shown, decoded(train))
    assert 0 < sum(map(allocated, small_memory.glob("*.pictures"))) <= 64 * 1024


def test_a_folder_removed_meanwhile_ends_nothing(tmp_path: Path, train: Split) -> None:
    cache = PictureCache(tmp_path / "pictures", 32)
    loader = Loader(train, Order(40, 8), cache=cache)
    for number, batch in enumerate(loader):
        assert batch["mask"].all()
        if number == 1:
            # Moved first: to remove file by file would race with the threads that are making some.
            shutil.rmtree((tmp_path / "pictures").rename(tmp_path / "removed"))
    shown = np.concatenate([batch["image"].permute(0, 2, 3, 1).numpy() for batch in loader])
    np.testing.assert_array_equal(shown, decoded(train))


def start_filler(shards: Path, folder: Path, seed: int, pause: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", FILLER, str(shards), str(folder), str(seed), str(pause)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def assert_right(split: Split, folder: Path) -> int:
    """Whatever is kept is right; gives the number of pictures."""
    cache, kept = PictureCache(folder, 32), 0
    for position, picture in enumerate(decoded(split)):
        records, record = split.find(position)
        pictures = cache.of(records)
        assert pictures
        found = pictures.get(record)
        if found is not None:
            np.testing.assert_array_equal(found, picture)
            kept += 1
    return kept


def test_two_processes_fill_the_same_files_and_a_killed_one_spoils_nothing(
    make_petals: MakePetals, tmp_path: Path
) -> None:
    shards = make_petals(tmp_path / "petals", train=120, val=0, test=0, shards=2) / FOLDER / "train"
    split, folder = open_split(shards, 32, 4, labelled=True), tmp_path / "pictures"
    fillers = [start_filler(shards, folder, seed, pause) for seed, pause in ((1, 0.05), (2, 0.0), (3, 0.0))]
    for filler in fillers:
        assert read_line(filler) == "ready"
    killed, *others = fillers
    say_go(killed)
    while read_line(killed) != "3":
        pass
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    some = assert_right(split, folder)
    assert 8 <= some < 120
    for filler in others:
        say_go(filler)
    for filler in others:
        filler.communicate(timeout=60)
        assert filler.returncode == 0
    assert assert_right(split, folder) == 120
    assert len(names(folder)) == 2
    assert sum(map(allocated, folder.glob("*.pictures"))) <= 1.1 * room(120, 32)


def make_old(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.fixture
def three(tmp_path: Path, train: Split) -> list[Path]:
    """The files of three shards, the first the longest unused."""
    cache = PictureCache(tmp_path / "pictures", 32)
    for shard in train.shards:
        fill(cache, shard.records())
    paths = [cache.path(shard.records()) for shard in train.shards]
    for number, path in enumerate(paths):
        make_old(path, 3000 - 1000 * number)
    return paths


def left(paths: list[Path]) -> list[int]:
    return [number for number, path in enumerate(paths) if path.is_file()]


def test_what_was_not_used_for_a_week_goes(three: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "boot", lambda: "another")  # another machine may be reading what is younger
    make_old(three[1], STALE_SECONDS + 60)
    evict(three[0].parent)
    assert left(three) == [0, 2]


def test_the_longest_unused_goes_first_and_no_more_than_is_wanted(three: list[Path]) -> None:
    evict(three[0].parent, 1)
    assert left(three) == [1, 2]


def test_what_is_spared_stays(three: list[Path]) -> None:
    evict(three[0].parent, 1, spared=three[:1])
    assert left(three) == [0, 2]


def test_what_is_open_is_read_on(three: list[Path], train: Split) -> None:
    cache = PictureCache(three[0].parent, 32)
    assert levels(cache, train.shards[0].records()) == [*range(14)]
    make_old(three[0], STALE_SECONDS + 60)
    evict(three[0].parent)
    assert left(three) == [1, 2]
    assert levels(cache, train.shards[0].records()) == [*range(14)]
