"""How much memory keeping decoded pictures takes: `make bench-memory` starts it. Needs Linux.

Each way of keeping them runs three epochs in a process of its own. What it takes at most is what belongs to it (and
its share of mapped files), and all that its pictures take in memory, in or out of the process: pages of a picture that
are mapped count once. Of pictures on a disk, only what is mapped counts; the kernel gives that up for others.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from lightning_flowers.data.augmentation.augment import Augment
from lightning_flowers.data.cache.files import allocated
from lightning_flowers.data.cache.free_space import SHARED_MEMORY
from lightning_flowers.data.cache.pictures import PictureCache
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order
from lightning_flowers.data.sources.folder import open_split

from . import cpu, petals

MODES = {"none": "nothing is kept", "shm": "in /dev/shm", "own": "in memory of its own", "disk": "on a disk"}
EPOCHS, BATCH_SIZE, SIZE = 3, 32, 512
LIMIT = 1.1  # of the decoded bytes may be taken
_PERIOD = 0.1  # seconds between looks


class Peak:
    """Looks at a figure again and again while the block runs, and keeps the largest."""

    def __init__(self, figure: Callable[[], int]) -> None:
        self.bytes, self._figure = 0, figure
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.bytes = max(self.bytes, self._figure())

    def _watch(self) -> None:
        while not self._end.wait(_PERIOD):
            self.bytes = max(self.bytes, self._figure())


def own_bytes() -> int:
    """Memory of this process, without what it maps of files in memory."""
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines())
    return sum(int(line[1]) * 1024 for line in lines if line[0] in ("Pss_Anon:", "Pss_File:"))


def kept_bytes(folder: Path | None) -> int:
    """Memory of the files that pictures are kept in."""
    if folder:
        return sum(map(allocated, folder.glob("*.pictures")))
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines())
    return sum(int(line[1]) * 1024 for line in lines if line[0] == "Pss_Shmem:")


def work(mode: str, shards: Path, size: int, folder: Path) -> dict[str, int]:
    """Run some epochs; gives what they took."""
    split = open_split(shards, size, petals.CLASSES, labelled=True)
    order = Order(len(split), BATCH_SIZE, shuffle=True)
    where = None if mode == "own" else folder
    cache = None if mode == "none" else PictureCache(where, size)
    loader = Loader(split, order, Augment("flips", size), len(cpu.cores()), cache=cache)
    in_memory = mode in ("shm", "own")
    with Peak(lambda: own_bytes() + (kept_bytes(where) if in_memory else 0)) as peak:
        for epoch in range(EPOCHS):
            order.set_epoch(epoch)
            for batch in loader:
                batch["image"].sum()
    kept = kept_bytes(where) if cache else 0
    return {"records": len(split), "peak": peak.bytes, "kept": kept, "own": own_bytes()}


def measure(mode: str, shards: Path, size: int) -> dict[str, int]:
    """Run one mode in a process of its own."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if mode == "shm" else None) as folder:
        command = [sys.executable, "-m", "bench.memory", "--work", mode, str(shards), str(size), folder]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(output)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-memory", description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help=f"side of the pictures in pixels (default: {SIZE})")
    size = parser.parse_args().size
    shards = petals.find(size).resolve()
    found = {mode: measure(mode, shards, size) for mode in MODES}
    decoded = found["none"]["records"] * size**2 * 3
    ratios = {mode: round((taken["peak"] - found["none"]["peak"]) / decoded, 4) for mode, taken in found.items()}
    print(f"{found['none']['records']} pictures of {size} px: {decoded / 1e6:.1f} MB decoded; {EPOCHS} epochs")
    print(f"{'':22}{'peak MB':>10}{'kept MB':>10}{'over none / decoded':>22}")
    for mode, taken in found.items():
        print(f"{MODES[mode]:22}{taken['peak'] / 1e6:10.1f}{taken['kept'] / 1e6:10.1f}{ratios[mode]:22.3f}")
    print(json.dumps({"size": size, "decoded": decoded, "modes": found, "ratios": ratios}))
    if max(ratios.values()) > LIMIT:
        sys.exit(f"bench-memory: more than {LIMIT} times the decoded bytes")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        mode, shards, size, folder = sys.argv[2:]
        torch.set_num_threads(1)  # here, and not in `work`: tests call that in their own process
        print(json.dumps(work(mode, Path(shards), int(size), Path(folder))))
    else:
        main()
