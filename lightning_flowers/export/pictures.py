"""The pictures that an export is held against the predictor on: those of val, or made-up ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.report.gallery import Pictures, without_mend
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.run.results import read_run
from lightning_flowers.secrets import redact
from lightning_flowers.use.predictor import Predictor

_NO_VAL = "the run was trained on train+val, and has none"
_BATCH, _MADE_UP = 16, 32
_ODD = ((97, 64), (301, 452), (40, 31), (520, 1033))  # heights and widths


@dataclass(frozen=True, eq=False)
class Sample:
    """Pictures that are of a predictor's size.

    Attributes:
        what: in words.
        labels: int64 (pictures,), by the predictor's classes; None of made-up ones.
    """

    what: str
    labels: NDArray[np.int64] | None
    ids: tuple[str, ...]
    _pictures: Pictures | None
    _size: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """Of the data that they come from, and of which they are."""
        return repr((self._pictures and self._pictures.fingerprints, self.ids, self._size))

    def batches(self) -> Iterator[NDArray[np.uint8]]:
        """All of them, uint8 (at most 16, size, size, 3).

        Raises:
            UserError: one is not there.
        """
        for start in range(0, len(self.ids), _BATCH):
            yield np.stack(self.take(self.ids[start : start + _BATCH]))

    def take(self, ids: tuple[str, ...]) -> list[NDArray[np.uint8]]:
        """Some of them, each uint8 (size, size, 3).

        Raises:
            UserError: one is not there.
        """
        if self._pictures is None:
            return [made_up(self._size, self._size, int(number)) for number in ids]
        found = self._pictures.decode(ids)
        missing = next((identity for identity, one in zip(ids, found, strict=True) if one is None), None)
        if missing is not None:
            raise UserError(f"the val record {missing} is not there, or damaged")
        return [one for one in found if one is not None]


def find_pictures(predictor: Predictor, data_root: str | None, most: int | None) -> Sample:
    """The val pictures of a run; where they are not to be had, made-up ones.

    Args:
        data_root: where the data lie now; None where summary.json says: what is wrong there is no error.
        most: of them, evenly spread over val; None for all.

    Raises:
        UserError: no val pictures of the run in `data_root`.
    """
    try:
        return val_pictures(predictor, data_root, most)
    except UserError as error:
        if data_root is not None:
            raise UserError(f"--data_root={redact(data_root)}: {error}") from error
        why = without_mend(error)
    mend = "" if why == _NO_VAL else ": give --data_root=FOLDER"
    what = f"{_MADE_UP} made-up pictures (val is not to be had: {why}{mend})"
    return Sample(what, None, tuple(map(str, range(_MADE_UP))), None, predictor.size_px)


def odd_pictures() -> list[NDArray[np.uint8]]:
    """Made-up pictures of other sizes, uint8 (height, width, 3)."""
    return [made_up(height, width, number) for number, (height, width) in enumerate(_ODD)]


def made_up(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Waves of colour and some noise, uint8 (height, width, 3)."""
    rng = np.random.default_rng([height, width, seed])
    y, x = np.mgrid[:height, :width][..., None] / max(height, width)
    waves = np.sin(rng.uniform(2, 40, 3) * x + rng.uniform(2, 40, 3) * y + rng.uniform(0, 6, 3))
    return (127 + 100 * waves + rng.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)


def val_pictures(predictor: Predictor, data_root: str | None = None, most: int | None = None) -> Sample:
    """As `find_pictures`, but those of val or none.

    Raises:
        UserError: they are not to be had.
    """
    run = read_run(predictor.path)
    if run.data.train_on == "train+val":
        raise UserError(_NO_VAL)
    known = Predictions.load(RunFolder(run.path).predictions("val"), labelled=True)
    assert known.labels is not None
    largest = max(predictor.members, key=lambda member: member.size_px).run
    root = data_root or run.root or largest.root
    if root is None:
        raise UserError("summary.json does not say where the data lie")
    chosen = np.linspace(0, len(known.ids) - 1, min(most or len(known.ids), len(known.ids))).round().astype(int)
    labels = known.labels[chosen]
    if run.data.class_names:
        labels = np.array([predictor.classes.index(name) for name in run.data.class_names])[labels]
    of_all = "" if len(chosen) == len(known.ids) else f" of {len(known.ids)}"
    ids = tuple(known.ids[chosen].tolist())
    sample = Sample(
        f"{len(ids)}{of_all} val pictures", labels, ids, Pictures(root, predictor.size_px), predictor.size_px
    )
    sample.take(ids[:1])
    return sample
