"""The pictures of the records that a report shows, from where the run's data lie."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.report.findings import Findings, Record
from lightning_flowers.report.gallery import Pictures
from lightning_flowers.run.results import Run
from lightning_flowers.secrets import redact

_MEND = "give `--data_root=FOLDER`"
_FLAG = re.compile(r"--data\.(root=|size=\d+: )")  # of fit, not of report


@dataclass(frozen=True)
class Photographs:
    """Pictures by id, uint8 (size, size, 3); `missing` says why there are none, or not all."""

    by_id: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def of(self, records: Sequence[Record]) -> list[NDArray[np.uint8] | None]:
        """The pictures of some records, None for one that is not there; nothing at all without any picture."""
        return [self.by_id.get(record.id) for record in records] if self.by_id else []


def photograph(run: Run, records: Sequence[Record], data_root: str | None) -> Photographs:
    """Read the pictures of the records.

    Args:
        data_root: where the data lie now. Default: where summary.json says; what is wrong there is no error.

    Raises:
        UserError: no data in `data_root`.
    """
    root, size = data_root if data_root is not None else run.data.root, run.data.size
    if root is None or size is None:
        return Photographs(missing=("Pictures: summary.json does not say where the data lie, or of which size",))
    ids = list(dict.fromkeys(record.id for record in records))
    try:
        found = Pictures(root, size).decode(ids)
    except UserError as error:
        what = redact(_FLAG.sub("", error.args[0].partition(": give --data.root=")[0]))
        if data_root is not None:
            raise UserError(f"--data_root={what}") from error
        return Photographs(missing=(f"Pictures: {what}: {_MEND}",))
    by_id = {identity: picture for identity, picture in zip(ids, found, strict=True) if picture is not None}
    lost = f"Pictures of {len(ids) - len(by_id)} of {len(ids)} records: not in {redact(root)}, or damaged"
    return Photographs(by_id, (f"{lost}: {_MEND}",) if len(by_id) < len(ids) else ())


def shown(findings: Findings, suspects: int) -> list[Record]:
    """All records whose pictures a report shows."""
    return [*findings.worst, *findings.unsure, *findings.suspects[:suspects]]
