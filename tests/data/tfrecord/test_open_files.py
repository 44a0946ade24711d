"""Many shards under a low limit of open files, as on macOS: each is read, and its pictures are kept, all the same."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.tfrecord import open_files
from lightning_flowers.errors import DataError

SHARDS = 60


@pytest.fixture
def many(tmp_path: Path, make_petals: Callable[..., Path]) -> Path:
    """A split of more shards than may be open."""
    root = make_petals(tmp_path / "many", train=SHARDS, val=0, test=0, shards=SHARDS)
    return root / "tfrecords-jpeg-32x32/train"


def count_open() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """So few may be opened that two for each shard, or one, are too many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count_open() + SHARDS // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kept", ["not", "shared", "own"])
def test_more_shards_than_may_be_open_are_read_and_kept(
    many: Path, tmp_path: Path, kept: str, few_descriptors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "most_open", lambda: 8)
    split = open_split(many, 32, 4, labelled=True)
    cache = None if kept == "not" else PictureCache(tmp_path / "pictures" if kept == "shared" else None, 32)
    loader = Loader(split, Order(SHARDS, 8), threads=2, cache=cache)
    first, again = (torch.cat([batch["image"] for batch in loader]) for _ in range(2))
    assert torch.equal(first, again)
    if cache:
        assert not any(pictures.lacks() for shard in split.shards if (pictures := cache.of(shard.records())))


def test_a_picture_file_that_was_removed_and_made_anew_is_not_written_to(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "most_open", lambda: 0)  # each is closed at once
    records = open_split(many, 32, 4, labelled=True).shards[0].records()
    cache = PictureCache(tmp_path / "pictures", 32)
    pictures = cache.of(records)
    assert pictures
    for path in cache.paths(records):
        path.unlink(missing_ok=True)
    other = PictureCache(tmp_path / "pictures", 32).of(records)
    with pytest.warns(UserWarning, match="no more pictures are kept: their file was removed"):
        pictures.put(0, torch.ones(32, 32, 3, dtype=torch.uint8).numpy(), resized=False)
    assert pictures.get(0) is None
    assert other
    assert other.get(0) is None


def test_a_shard_that_is_gone_when_it_is_opened_again_is_named(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "most_open", lambda: 8)
    split = open_split(many, 32, 4, labelled=True)
    path = Path(split.shards[0].where)
    path.unlink()
    with pytest.raises(DataError, match=f"{path.name}: cannot be read: No such file"):
        split.image_bytes(0)


def test_files_are_closed_once_nobody_has_them(many: Path) -> None:
    before = count_open()
    split = open_split(many, 32, 4, labelled=True)
    held = count_open() - before
    assert 0 < held <= max(open_files.most_open(), SHARDS)
    del split
    assert count_open() == before
