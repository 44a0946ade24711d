"""Where decoded pictures are kept: what fits is chosen, and the choice is told."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lightning_flowers.data.cache import choice, free_space
from lightning_flowers.data.cache.choice import Choice, choose, folder_name
from lightning_flowers.data.cache.files import allocated, room
from lightning_flowers.data.run_splits import Splits
from lightning_flowers.data.sources.competition import open_source
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import UserError

WANTED = room(40 + 12, 32)
GREY = np.full((32, 32, 3), 128, np.uint8)


@pytest.fixture
def splits(petals_root: Path) -> list[Split]:
    """train and val of the tiny data set: WANTED bytes of pictures."""
    return [open_source(petals_root).open(name, 32) for name in ("train", "val")]


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`has(memory=..., disk=...)`: bytes that are free; what is written meanwhile does not lessen them."""

    def has(memory: int = 1 << 40, disk: int = 1 << 40) -> None:
        monkeypatch.setattr(free_space, "free_memory", lambda: memory)
        monkeypatch.setattr(free_space, "free_disk", lambda folder: disk)

    return has


def fill(choice: Choice, *splits: Split) -> list[Path]:
    """Keep a picture of each record; gives the files."""
    assert choice.cache
    assert choice.cache.folder
    before = {*choice.cache.folder.glob("*.pictures")}
    for split in splits:
        for records, record in map(split.find, range(len(split))):
            pictures = choice.cache.of(records)
            assert pictures
            pictures.put(record, GREY)
    return sorted({*choice.cache.folder.glob("*.pictures")} - before)


def age(paths: list[Path], days: float) -> None:
    for path in paths:
        then = time.time() - days * 86400
        os.utime(path, (then, then))


def test_none_keeps_nothing_and_says_so(splits: list[Split]) -> None:
    assert choose("none", splits, None, 1) == (None, "none: every picture is decoded in every epoch")


@pytest.mark.parametrize("mode", ["auto", "ram"])
def test_memory_is_taken_where_all_fits(
    splits: list[Split], has: Callable[..., None], own_shared_memory: Path, mode: choice.Mode
) -> None:
    has(memory=WANTED)
    cache, text = choose(mode, splits, None, 8)
    assert cache
    assert cache.folder == own_shared_memory / folder_name()
    assert text == f"decoded pictures are kept in memory, in {cache.folder}, where the next run finds them: 0.2 MB"


def test_auto_keeps_nothing_where_not_all_fits(splits: list[Split], has: Callable[..., None]) -> None:
    has(memory=WANTED - 1)
    cache, text = choose("auto", splits, None, 1)
    assert cache is None
    assert text.startswith("none: decoded pictures take 0.2 MB, 0.2 MB can be had (--data.cache=disk would keep them")


def test_ram_that_does_not_fit_is_an_error_with_a_mend(splits: list[Split], has: Callable[..., None]) -> None:
    has(memory=1000)
    with pytest.raises(
        UserError, match=r"--data.cache=ram: .* 0.2 MB, 0.0 MB can be had: use --data.cache=disk or non"
    ):
        choose("ram", splits, None, 1)


def test_a_small_shared_memory_leaves_each_process_its_own(splits: list[Split], has: Callable[..., None]) -> None:
    has(memory=2 * WANTED, disk=1000)  # as in a container with 64 MB of /dev/shm
    cache, text = choose("auto", splits, None, 2)
    assert cache
    assert cache.folder is None
    assert text == "decoded pictures are kept in this process's memory: 0.2 MB"
    assert choose("auto", splits, None, 3).cache is None


def test_a_folder_in_shared_memory_that_is_another_user_s_is_left_alone(
    splits: list[Split],
    has: Callable[..., None],
    own_shared_memory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has()
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    (own_shared_memory / folder_name()).mkdir()
    cache, _ = choose("auto", splits, None, 1)
    assert cache
    assert cache.folder is None
    assert choose("disk", splits, str(tmp_path / "disk"), 1).cache  # a network's disk may show all as another's


def test_a_system_without_shared_memory_uses_its_own(
    splits: list[Split], has: Callable[..., None], own_shared_memory: Path
) -> None:
    has()
    own_shared_memory.rmdir()
    cache, _ = choose("ram", splits, None, 1)
    assert cache
    assert cache.folder is None


def test_what_an_earlier_run_has_kept_need_not_fit_again(splits: list[Split], has: Callable[..., None]) -> None:
    has(memory=WANTED)
    fill(choose("auto", splits, None, 1), *splits)
    has(memory=0)  # for the pictures have taken it
    cache, text = choose("auto", splits, None, 1)
    assert cache
    assert cache.folder
    assert text.endswith("0.2 MB, 0.2 MB of them from an earlier run")


def test_shards_of_two_folds_count_once(petals_root: Path, has: Callable[..., None]) -> None:
    rules = Splits(open_source(petals_root), 32, folds=4, fold=1)
    folds = [rules.open(name) for name in ("train", "val")]
    has(memory=WANTED)
    choice = choose("auto", folds, None, 1)
    fill(choice, folds[1])
    assert choice.cache
    kept = sum(choice.cache.kept(shard.records()) for shard in folds[0].shards)
    assert 0 < kept < WANTED
    has(memory=WANTED - kept - 1)
    assert choose("auto", folds, None, 1).cache is None
    has(memory=WANTED - kept)
    assert choose("auto", folds, None, 1).cache


def test_old_pictures_of_other_data_make_room_and_ones_own_stay(
    splits: list[Split], has: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val = splits
    has()
    others = fill(choose("disk", [train], str(tmp_path), 1), train)
    own = fill(choose("disk", [val], str(tmp_path), 1), val.select(np.arange(6)))  # the first of two shards
    age(others, 1)
    age(own, 2)
    total = sum(map(allocated, others + own))
    monkeypatch.setattr(free_space, "free_disk", lambda folder: total - sum(map(allocated, folder.glob("*.pictures"))))
    assert choose("disk", [val], str(tmp_path), 1).cache
    assert [path.is_file() for path in others + own] == [False, True, True, True]


def test_a_full_disk_is_an_error_with_a_mend(splits: list[Split], has: Callable[..., None], tmp_path: Path) -> None:
    has(disk=1000)
    with pytest.raises(
        UserError, match=r"--data.cache=disk: .* 0.2 MB, 0.0 MB can be had in .*: give another --data\."
    ):
        choose("disk", splits, str(tmp_path), 1)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_mend(splits: list[Split], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--data.cache=disk: .*: cannot be written: Not a directory: give another -"):
        choose("disk", splits, str(tmp_path / "file"), 1)


def test_the_disk_folder_is_the_user_s_cache_unless_another_is_given(
    splits: list[Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    default, given = (choose("disk", splits, folder, 1).cache for folder in (None, "~/pictures"))
    assert default
    assert default.folder == tmp_path / "home" / ".cache" / "lightning_flowers" / folder_name()
    assert given
    assert given.folder
    assert given.folder == tmp_path / "home" / "pictures" / folder_name()
    assert given.folder.stat().st_mode & 0o777 == 0o700
