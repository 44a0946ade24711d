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
        mode: `ram`, `disk`, `none`, or `auto`.
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
        return _on_disk(base / folder_name(), wanted)
    choice = _in_shared_memory(free_space.SHARED_MEMORY / folder_name(), wanted) or _in_own_memory(wanted, processes)
    why = _shortage(wanted, free_space.free_memory())
    if choice is None and mode == "ram":
        raise UserError(f"--data.cache=ram: {why}: use --data.cache=disk or none")
    return choice or Choice(None, f"none: {why} (--data.cache=disk would keep them on disk)")


def folder_name() -> str:
    """The name of the folder of this user's pictures: others cannot write to it, nor we to theirs."""
    return f"lightning_flowers-pictures-{portable.user()}"


def _what(splits: Sequence[Split]) -> _Wanted:
    """A shard of several splits, as of two folds, counts once; one that is still elsewhere is not known."""
    known = {shard.indexed.key: shard.indexed for split in splits for shard in split.shards if shard.indexed}
    return _Wanted(splits[0].size, sum(room(len(split), split.size) for split in splits), list(known.values()))


def _on_disk(folder: Path, wanted: _Wanted) -> Choice:
    cache = PictureCache(folder, wanted.size)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept, free = _make_room(cache, folder, wanted, free_space.free_disk)
    except OSError as error:
        raise UserError(
            f"--data.cache=disk: {folder}: cannot be written: {error.strerror}: give another --data.cache_dir"
        ) from error
    if wanted.bytes - kept > free:
        raise UserError(
            f"--data.cache=disk: {_shortage(wanted, kept + free)} in {folder}: give another --data.cache_dir"
        )
    return Choice(cache, _describe(f"on disk, in {folder}", wanted, kept))


def _in_shared_memory(folder: Path, wanted: _Wanted) -> Choice | None:
    cache = PictureCache(folder, wanted.size)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not portable.owns(folder):  # anybody can make folders there, under any name
            return None
        kept, free = _make_room(
            cache, folder, wanted, lambda path: min(free_space.free_memory(), free_space.free_disk(path))
        )
    except OSError:  # there is no such memory here, or it cannot be written to
        return None
    if wanted.bytes - kept > free:
        return None
    return Choice(cache, _describe(f"in memory, in {folder}, where the next run finds them", wanted, kept))


def _in_own_memory(wanted: _Wanted, processes: int) -> Choice | None:
    if wanted.bytes * processes > free_space.free_memory():
        return None
    return Choice(PictureCache(None, wanted.size), _describe("in this process's memory", wanted, 0))


def _make_room(cache: PictureCache, folder: Path, wanted: _Wanted, free: Callable[[Path], int]) -> tuple[int, int]:
    """Bytes that are kept there already, and that may still be written once others' old pictures are gone."""
    spared = {cache.path(shard) for shard in wanted.shards}
    evict(folder, wanted.bytes - _kept(cache, wanted) - free(folder), spared)
    left = free(folder)  # first: meanwhile another process may turn what is free into what is kept
    return _kept(cache, wanted), left


def _kept(cache: PictureCache, wanted: _Wanted) -> int:
    return sum(cache.kept(shard) for shard in wanted.shards)


def _describe(where: str, wanted: _Wanted, kept: int) -> str:
    there = f", {free_space.readable(kept)} of them from an earlier run" if kept else ""
    return f"decoded pictures are kept {where}: {free_space.readable(wanted.bytes)}{there}"


def _shortage(wanted: _Wanted, free: int) -> str:
    return f"decoded pictures take {free_space.readable(wanted.bytes)}, {free_space.readable(free)} can be had"
