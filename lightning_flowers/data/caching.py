"""Where decoded pictures are kept: what fits, and what that is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import platformdirs

from lightning_flowers.data import space
from lightning_flowers.data.pictures import PictureCache, evict, room
from lightning_flowers.data.split import Split
from lightning_flowers.errors import UserError

Mode = Literal["auto", "ram", "disk", "none"]
FOLDER = "lightning_flowers-pictures"


class Choice(NamedTuple):
    """A cache, or None, and a line for people that says what was chosen and why."""

    cache: PictureCache | None
    text: str


def choose(mode: Mode, splits: Sequence[Split], folder: str | None, processes: int) -> Choice:
    """Choose where the decoded pictures of these splits are kept.

    `auto` takes memory if they fit into what is free, with a tenth of it to spare, and nothing else: a disk may well be
    slower than decoding anew.

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
    size, wanted = splits[0].size, sum(room(len(split), split.size) for split in splits)
    if mode == "disk":
        disk = Path(folder or platformdirs.user_cache_dir("lightning_flowers")).expanduser() / FOLDER
        return _on_disk(PictureCache(disk, size), disk, splits, wanted)
    choice = _in_memory(size, splits, wanted, processes)
    if choice is None and mode == "ram":
        raise UserError(f"--data.cache=ram: {_shortage(wanted, space.free_memory())}: use --data.cache=disk or none")
    what = f"none: {_shortage(wanted, space.free_memory())} (--data.cache=disk would keep them on disk)"
    return choice or Choice(None, what)


def _on_disk(cache: PictureCache, folder: Path, splits: Sequence[Split], wanted: int) -> Choice:
    missing = wanted - _kept(cache, splits)
    evict(folder, missing - space.free_disk(folder))
    if missing > (free := space.free_disk(folder)):
        raise UserError(f"--data.cache=disk: {_shortage(wanted, free)} in {folder}: give another --data.cache_dir")
    return Choice(cache, _told(f"on disk, in {folder}", wanted, wanted - missing))


def _in_memory(size: int, splits: Sequence[Split], wanted: int, processes: int) -> Choice | None:
    if space.SHARED_MEMORY.is_dir():
        folder = space.SHARED_MEMORY / FOLDER
        cache = PictureCache(folder, size)
        missing = wanted - _kept(cache, splits)
        evict(folder, missing - min(space.free_memory(), space.free_disk(folder)))
        if missing <= min(space.free_memory(), space.free_disk(folder)):
            return Choice(
                cache, _told(f"in memory, in {folder}, where the next run finds them", wanted, wanted - missing)
            )
    if wanted * processes <= space.free_memory():
        return Choice(PictureCache(None, size), _told("in this process's memory", wanted, 0))
    return None


def _kept(cache: PictureCache, splits: Sequence[Split]) -> int:
    """Bytes of these splits' files that are there already; a shard that is still elsewhere counts as not kept."""
    shards = {id(shard): shard for split in splits for shard in split.shards}.values()
    return sum(cache.kept(shard.indexed) for shard in shards if shard.indexed)


def _told(where: str, wanted: int, kept: int) -> str:
    there = f", {space.readable(kept)} of them from an earlier run" if kept else ""
    return f"decoded pictures are kept {where}: {space.readable(wanted)}{there}"


def _shortage(wanted: int, free: int) -> str:
    return f"decoded pictures take {space.readable(wanted)}, {space.readable(free)} can be had"
