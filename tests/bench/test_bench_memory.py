"""The memory bench: what it counts is what there is."""

import mmap
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_flowers.data.cache.files import room

from . import memory

SIZE = 32


@pytest.mark.parametrize("mode", memory.MODES)
def test_each_way_of_keeping_pictures_is_measured(petals_root: Path, tmp_path: Path, mode: str) -> None:
    before, threads = memory.kept_bytes(None), torch.get_num_threads()
    taken = memory.work(mode, petals_root / f"tfrecords-jpeg-{SIZE}x{SIZE}" / "train", SIZE, tmp_path)
    kept = taken["kept"] - (before if mode == "own" else 0)
    assert taken["records"] == 40
    assert torch.get_num_threads() == threads  # other tests come after it in this process
    assert (kept == 0) if mode == "none" else (room(40, SIZE) <= kept <= room(40, SIZE) + 3 * 4096)
    assert taken["peak"] > 0.99 * taken["own"] > 10**7  # what it has is counted a moment after the peak


def test_the_peak_is_seen_and_not_only_what_is_left() -> None:
    seen, figures = threading.Event(), iter([5, 9])

    def figure() -> int:
        value = next(figures, 3)
        if value == 3:
            seen.set()
        return value

    with memory.Peak(figure) as peak:
        assert seen.wait(10)
    assert peak.bytes == 9


def test_memory_that_is_taken_counts() -> None:
    before = memory.own_bytes()
    pages = mmap.mmap(-1, 50_000_000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # fresh, whatever the process has freed
    taken = np.frombuffer(pages, np.uint8)
    taken[:] = 1
    assert memory.own_bytes() - before > 0.9 * len(taken)
