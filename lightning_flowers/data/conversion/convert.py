"""Makes the shards of a conversion that are missing: checks every picture first, plans, and writes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from lightning_flowers.data.conversion.inputs import Input, Inputs, bar
from lightning_flowers.data.conversion.manifest import LOCK, Manifest, Settings, begun, describe_inputs
from lightning_flowers.data.conversion.plan import Planned, PlannedShard, make_shards, place
from lightning_flowers.data.conversion.write import missing_sizes, write_missing, write_tables
from lightning_flowers.data.photograph import PictureError, check_picture
from lightning_flowers.errors import DataError
from lightning_flowers.parallel import in_order


class Converted(NamedTuple):
    """A conversion that is whole: of `total` shards, `written` were written now."""

    manifest: Manifest
    placed: Sequence[Planned]
    written: int
    total: int


def convert(
    inputs: Inputs,
    folder: Path,
    settings: Settings,
    skip: str,
    tell_bad: Callable[[str], object],
    begins: Callable[[], object] = lambda: None,
    timeout: float = -1,
) -> Converted:
    """Make shards of pictures in a folder, new or begun with the same before: then what is missing is written.

    Args:
        inputs: what to convert.
        folder: to write to.
        settings: what the shards' bytes depend on beside the pictures.
        skip: the flag that leaves out pictures that cannot be used, for errors.
        tell_bad: gets a line for each of those.
        begins: called where none was begun.
        timeout: seconds to wait for another process that converts into the folder; below 0: until it is done.

    Raises:
        DataError: pictures cannot be used, or cannot be placed.
        UserError: the folder was begun with something else.
        filelock.Timeout: another process is at it.
    """
    described = describe_inputs(inputs)
    begun(folder, settings, inputs.classes, described)  # before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK, timeout=timeout), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # of odd EXIF above all, which does no picture harm
        manifest = begun(folder, settings, inputs.classes, described)
        if manifest is None:
            begins()
            manifest = _begin(folder, settings, inputs, described, skip, tell_bad)
        return _write(folder, inputs, manifest)


def _begin(
    folder: Path,
    settings: Settings,
    inputs: Inputs,
    described: list[list[object]],
    skip: str,
    tell_bad: Callable[[str], object],
) -> Manifest:
    """Check every picture, and leave the manifest.

    Raises:
        DataError: some cannot be used, or what can be used cannot be placed.
    """
    _place(inputs.pictures, settings)
    manifest = Manifest(settings, list(inputs.classes), described, list(_look(inputs, max(settings.sizes))))
    bad = manifest.bad()
    if bad and not settings.skip_bad:
        for path, why in bad:
            tell_bad(f"{inputs.base / path}: {why}")
        raise DataError(
            f"{len(bad):,} of {len(inputs.pictures):,} pictures cannot be used, the first: "
            f"{inputs.base / bad[0][0]}: {bad[0][1]}: mend or remove them, or give {skip}"
        )
    _place(manifest.pictures(), settings)
    manifest.save(folder)
    return manifest


def _look(inputs: Inputs, largest: int) -> Iterator[list[int] | str]:
    def look(path: str) -> list[int] | str:
        try:
            return list(check_picture(inputs.read(path), largest))
        except PictureError as error:
            return str(error)

    with bar(len(inputs.pictures), "checking") as progress:
        for found in in_order(look, (one.path for one in inputs.pictures)):
            progress.update()
            yield found


def _place(pictures: Sequence[Input], settings: Settings) -> list[Planned]:
    placed = place(pictures, settings.val_fraction, settings.test_fraction, settings.seed)
    if not any(one.split == "train" for one in placed):
        raise DataError("there is no picture for the train split")
    return placed


def _write(folder: Path, inputs: Inputs, manifest: Manifest) -> Converted:
    settings = manifest.settings
    placed = _place(manifest.pictures(), settings)
    write_tables(folder, manifest, placed)
    planned = make_shards(placed, settings.shards, settings.seed)
    total, before = len(planned) * len(settings.sizes), _count_missing(folder, planned, settings)
    try:
        write_missing(planned, folder, inputs, settings)
    except KeyboardInterrupt as interrupt:
        there = total - _count_missing(folder, planned, settings)
        message = f"interrupted; {there} of {total} shards are written: the same command goes on"
        raise KeyboardInterrupt(message) from interrupt
    return Converted(manifest, placed, before, total)


def _count_missing(folder: Path, planned: Sequence[PlannedShard], settings: Settings) -> int:
    return sum(len(missing_sizes(one, folder, settings.sizes)) for one in planned)
