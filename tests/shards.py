"""Splits of shards, as tests and benchmarks write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lightning_flowers.data.tfrecord.shard import ShardName
from lightning_flowers.data.tfrecord.writer import Record, write_shard


def write_split(folder: Path, size: int, records: Sequence[Record], shards: int) -> list[Path]:
    """Write `records`, in order, into `shards` files NN-SxS-COUNT.tfrec of as equal counts as can be.

    Args:
        folder: made if it is not there; files of the same names in it are overwritten.
        size: side of the pictures in pixels, for the names.

    Raises:
        ValueError: fewer records than shards.
    """
    if not 1 <= shards <= len(records):
        raise ValueError(f"{len(records)} records do not fill {shards} shards")
    paths = []
    for number, rows in enumerate(np.array_split(np.arange(len(records)), shards)):
        paths.append(folder / str(ShardName(number, size, len(rows))))
        write_shard(paths[-1], [records[row] for row in rows])
    return paths
