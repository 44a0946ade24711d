"""Real processes that train together: each record once, equally many batches, one cache for all."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lightning_flowers.data.cache.choice import folder_name
from lightning_flowers.data.cache.files import allocated, room

BATCH = 18
TRAIN, VAL = 40, 12  # which no number of processes divides into whole batches
WORKER = """
import json, sys, zlib
from datetime import timedelta
from types import SimpleNamespace

import torch
import torch.distributed as dist

from lightning_flowers.data.splits import split as splits
from lightning_flowers.data.datamodule import PetalsDataModule

root, cache, rank, world, batch_size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
if world > 1:
    dist.init_process_group("gloo", rank=rank, world_size=world, timeout=timedelta(seconds=120))
decoded = 0

def count(encoded, out, decode=splits.decode_into):
    global decoded
    decoded += 1
    return decode(encoded, out)

splits.decode_into = count
data = PetalsDataModule(root, batch_size=batch_size, threads=1, augment="study", cache=cache, seed=5)
data.setup("fit")
device = SimpleNamespace(root_device=torch.device("cpu"))
data.trainer = SimpleNamespace(global_rank=rank, world_size=world, strategy=device, overfit_batches=0)
text = data.choose_cache(world)
epochs = []
for name in ("train", "val"):
    loader = getattr(data, f"{name}_dataloader")()
    for number in range(2):
        loader.sampler.set_epoch(number)
        rows = []
        for batch in loader:
            together = batch["mask"].sum()
            if world > 1:
                dist.all_reduce(together)  # hangs unless all have equally many batches
            sums = [zlib.crc32(picture.numpy().tobytes()) for picture in batch["image"].permute(0, 2, 3, 1)]
            rows.append([batch["index"].tolist(), batch["label"].tolist(), sums, int(together)])
        epochs.append(rows)
print(json.dumps({"text": text, "epochs": epochs, "decoded": decoded}))
if world > 1:
    dist.destroy_process_group()
"""


def run(root: Path, world: int, cache: str) -> list[dict[str, Any]]:
    """What each of `world` processes has read, two epochs of train and two of val."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *map(str, (root, cache, rank, world, BATCH))],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * world
    return [json.loads(output.splitlines()[-1]) for output in outputs]


@pytest.fixture(scope="module")
def alone(petals_root: Path) -> list[list[Any]]:
    """The epochs of one process."""
    (result,) = run(petals_root, 1, "none")
    assert result["decoded"] >= 2 * (TRAIN + VAL)
    return result["epochs"]


@pytest.mark.slow
def test_processes_read_each_record_once_and_the_same_as_one_alone(
    petals_root: Path, alone: list[list[Any]], own_shared_memory: Path
) -> None:
    world = 3
    results = run(petals_root, world, "auto")
    for number, expected in enumerate(alone):
        ranks = [result["epochs"][number] for result in results]
        assert [len(rows) for rows in ranks] == [len(expected)] * world
        for batch, (index, label, sums, real) in enumerate(expected):
            for rank in range(world):
                assert ranks[rank][batch] == [index[rank::world], label[rank::world], sums[rank::world], real]
        read = [index for rows in ranks for row in rows for index in row[0] if index >= 0]
        assert sorted(read) == list(range(TRAIN if number < 2 else VAL))
    assert_shared(own_shared_memory / folder_name(), results)
    (later,) = run(petals_root, 1, "ram")
    assert later["epochs"] == alone
    assert later["decoded"] == 0
    assert later["text"].endswith("of them from an earlier run")


def assert_shared(folder: Path, results: list[dict[str, Any]]) -> None:
    """All processes have filled the same files, once."""
    assert all(f"kept in memory, in {folder}" in result["text"] for result in results)
    # Pictures that fill up the last batches may be decoded by two at the same time.
    assert TRAIN + VAL <= sum(result["decoded"] for result in results) <= TRAIN + VAL + 20
    files = [*folder.glob("*.pictures")]
    assert len(files) == 5
    assert sum(map(allocated, files)) <= 1.1 * room(TRAIN + VAL, 32) + len(files) * 4096
