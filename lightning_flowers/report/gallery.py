"""Pictures of records: found by their ids, and made small for a page."""

import re
from collections.abc import Sequence

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from lightning_flowers.data.conversion.opening import is_url, open_data
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.report.findings import Record
from lightning_flowers.run.results import Run
from lightning_flowers.secrets import redact

_QUALITY = 85
_MEND = "give `--data_root=FOLDER`"
_FLAG = re.compile(r"--data\.(root=|size=\d+: )")  # of fit alone


class Pictures:
    """The labelled pictures of a data set, found by their records' ids.

    Those of val come first. Train is opened only for an id that val does not have: of folds, val holds records of both.

    Args:
        root: a folder of shards, or of what they were made of.
        size: side of the pictures in pixels.

    Raises:
        UserError: a URL, no such folder, or no shards of that size in it.
    """

    def __init__(self, root: str, size: int) -> None:
        if is_url(root):
            raise UserError(f"{root}: a URL: pictures are shown of a folder's shards only: give a copy on this host")
        self._source = open_data(root, size)
        self.size = self._source.choose_size(size)
        self._unopened = [name for name in ("val", "train") if self._source.has(name, self.size)]
        self._places: dict[str, tuple[Split, int]] = {}

    @property
    def fingerprints(self) -> list[str]:
        """Of the splits that were opened so far."""
        return sorted({split.fingerprint for split, _ in self._places.values()})

    def decode(self, ids: Sequence[str]) -> list[NDArray[np.uint8] | None]:
        """The picture of each record, uint8 (size, size, 3); None where it is not found or damaged.

        Raises:
            DataError: a shard is damaged, or a split has too many damaged records.
        """
        return [self._decode(identity) for identity in ids]

    def _decode(self, identity: str) -> NDArray[np.uint8] | None:
        while identity not in self._places and self._unopened:
            self._open(self._unopened.pop(0))
        if identity not in self._places:
            return None
        split, position = self._places[identity]
        try:
            return split[position].picture
        except DataError:
            return None

    def _open(self, name: str) -> None:
        try:
            split = self._source.open(name, self.size)
        except DataError:
            split = self._source.open(name, self.size, skip=True)  # as the run must have opened it
        places = {identity: (split, position) for position, identity in enumerate(split.ids.tolist())}
        self._places = places | self._places


def photograph(
    run: Run, records: Sequence[Record], data_root: str | None
) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    """Read the pictures of the records: uint8 (size, size, 3) by id, and why there are none, or not all.

    Args:
        data_root: where the data lie now. Default: where summary.json says; what is wrong there is no error.

    Raises:
        UserError: no data in `data_root`.
    """
    root, size = data_root if data_root is not None else run.root, run.data.size
    if root is None or size is None:
        return {}, ["Pictures: summary.json does not say where the data lie, or of which size"]
    ids = list(dict.fromkeys(record.id for record in records))
    try:
        found = Pictures(root, size).decode(ids)
    except UserError as error:
        what = without_mend(error)
        if data_root is not None:
            raise UserError(f"--data_root={what}") from error
        return {}, [f"Pictures: {what}: {_MEND}"]
    by_id = {identity: picture for identity, picture in zip(ids, found, strict=True) if picture is not None}
    lost = f"Pictures of {len(ids) - len(by_id)} of {len(ids)} records: not in {redact(root)}, or damaged"
    return by_id, [f"{lost}: {_MEND}"] if len(by_id) < len(ids) else []


def without_mend(error: UserError) -> str:
    """What is wrong with a run's data, for commands that have no --data.root."""
    return redact(_FLAG.sub("", error.args[0].partition(": give --data.root=")[0]))


def to_jpeg(picture: NDArray[np.uint8], px: int) -> bytes:
    """A picture uint8 (height, width, 3) as JPEG, made smaller where a side has more than so many pixels."""
    height, width = picture.shape[:2]
    scale = px / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=_QUALITY, colorspace="RGB")
