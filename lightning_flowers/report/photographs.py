"""The pictures of the records that a report shows, from where the run's data lie."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_flowers.errors import UserError
from lightning_flowers.report.findings import Record
from lightning_flowers.report.gallery import Pictures
from lightning_flowers.run.results import Run
from lightning_flowers.secrets import redact

_MEND = "give `--data_root=FOLDER`"
_FLAG = re.compile(r"--data\.(root=|size=\d+: )")  # of fit, not of report


def photograph(
    run: Run, records: Sequence[Record], data_root: str | None
) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    """Read the pictures of the records: uint8 (size, size, 3) by id, and why there are none, or not all.

    Args:
        data_root: where the data lie now. Default: where summary.json says; what is wrong there is no error.

    Raises:
        UserError: no data in `data_root`.
    """
    root, size = data_root if data_root is not None else run.data.root, run.data.size
    if root is None or size is None:
        return {}, ["Pictures: summary.json does not say where the data lie, or of which size"]
    ids = list(dict.fromkeys(record.id for record in records))
    try:
        found = Pictures(root, size).decode(ids)
    except UserError as error:
        what = redact(_FLAG.sub("", error.args[0].partition(": give --data.root=")[0]))
        if data_root is not None:
            raise UserError(f"--data_root={what}") from error
        return {}, [f"Pictures: {what}: {_MEND}"]
    by_id = {identity: picture for identity, picture in zip(ids, found, strict=True) if picture is not None}
    lost = f"Pictures of {len(ids) - len(by_id)} of {len(ids)} records: not in {redact(root)}, or damaged"
    return by_id, [f"{lost}: {_MEND}"] if len(by_id) < len(ids) else []
