"""Where decoded pictures are kept: what fits, and what that is called."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import platformdirs

from lightning_flowers import portable
from lightning_flowers.data.cache import free_space
from lightning_flowers.data.cache.files import evict, room
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.index import ShardRecords
from lightning_flowers.errors import UserError

Mode = Literal["auto", "ram", "disk", "none"]


class Choice(NamedTuple):
    """A cache, or None, and a line for people that says what was chosen and why."""

    cache: PictureCache | None
    text: str


class _Wanted(NamedTuple):
    """What is to be kept: pictures of `size` px, `bytes` of them, and of these shards, as far as they are known."""

    size: int
    bytes: int
    shards: list[ShardRecords]


def choose(mode: Mode, splits: Sequence[Split], folder: str | None, processes: int) -> Choice:
    """Choose where the decoded pictures of these splits are kept.

    `auto` takes memory if they fit into what is free, with a tenth of all memory to spare, and nothing else: a disk may
    well be slower than decoding anew.

    Args:
        splits: all of one size; each is read in every epoch.
        folder: where `disk` keeps them. Default: the user's cache folder.
        processes: of this host that read the splits.

    Raises:
        UserError: `ram` or `disk` was asked for, and there is no room.
    """
    if mode == "none":
        return Choice(None, "none: every picture is decoded in every epoch")
    wanted = _what(splits)
    if mode == "disk":
        base = Path(folder or platformdirs.user_cache_dir("lightning_flowers")).expanduser()
        kept = _in_folder(base / folder_name(), wanted, free_space.free_disk, "on disk, in {}")
        if isinstance(kept, str):
            raise UserError(f"--data.cache=disk: {kept}: give another --data.cache_dir")
        return kept
    if free_space.SHARED_MEMORY.is_dir():
        shared, where = free_space.SHARED_MEMORY / folder_name(), "in memory, in {}, where the next run finds them"
        if isinstance(kept := _in_folder(shared, wanted, _free_shared, where), Choice):
            return kept
    free = free_space.free_memory()  # after others' old pictures may have gone from there
    if wanted.bytes * processes <= free:
        return Choice(PictureCache(None, wanted.size), _describe("in this process's memory", wanted, 0))
    why = _shortage(wanted, free)
    if mode == "ram":
        raise UserError(f"--data.cache=ram: {why}: use --data.cache=disk or none")
    return Choice(None, f"none: {why} (--data.cache=disk would keep them on disk)")


def folder_name() -> str:
    """The name of the folder of this user's pictures: others cannot write to it, nor we to theirs."""
    return f"lightning_flowers-pictures-{portable.user()}"


def _what(splits: Sequence[Split]) -> _Wanted:
    """A shard of several splits, as of two folds, counts once; one that is still elsewhere is not known."""
    known = {shard.indexed.key: shard.indexed for split in splits for shard in split.shards if shard.indexed}
    return _Wanted(splits[0].size, sum(room(len(split), split.size) for split in splits), list(known.values()))


def _in_folder(folder: Path, wanted: _Wanted, free: Callable[[Path], int], where: str) -> Choice | str:
    """A cache in a folder, of which others' old pictures are removed where there is not enough room; or why not."""
    cache = PictureCache(folder, wanted.size)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Anybody can make folders in shared memory, under any name; on a network's disk we may seem to be another user.
        if folder.parent == free_space.SHARED_MEMORY and not portable.owns(folder):
            return f"{folder}: belongs to another user"
        evict(
            folder, wanted.bytes - _kept(cache, wanted) - free(folder), {cache.path(shard) for shard in wanted.shards}
        )
        left = free(folder)  # first: meanwhile another process may turn what is free into what is kept
    except OSError as error:
        return f"{folder}: cannot be written: {error.strerror}"
    kept = _kept(cache, wanted)
    if wanted.bytes - kept > left:
        return f"{_shortage(wanted, kept + left)} in {folder}"
    return Choice(cache, _describe(where.format(folder), wanted, kept))


def _free_shared(folder: Path) -> int:
    return min(free_space.free_memory(), free_space.free_disk(folder))


def _kept(cache: PictureCache, wanted: _Wanted) -> int:
    return sum(cache.kept(shard) for shard in wanted.shards)


def _describe(where: str, wanted: _Wanted, kept: int) -> str:
    there = f", {free_space.readable(kept)} of them from an earlier run" if kept else ""
    return f"decoded pictures are kept {where}: {free_space.readable(wanted.bytes)}{there}"


def _shortage(wanted: _Wanted, free: int) -> str:
    return f"decoded pictures take {free_space.readable(wanted.bytes)}, {free_space.readable(free)} can be had"
