"""Runs commands on torch_xla's CPU client: `python xla_run.py COUNTED.json COMMAND [-- COMMAND]`.

It needs a process of its own: SPMD mode lasts as long as its process, and torch_xla changes torch. Afterwards the file
tells what torch_xla counted.
"""

import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback

from lightning_flowers.__main__ import main
from lightning_flowers.model.classifier import FlowerClassifier


class Reader(Callback):
    """Reads a value back in the middle of the second epoch, as a user's callback may."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1 and batch_idx == 1:
            self.seen = (pl_module.head[-1].bias * 1.7).sum().item()


def run(out: Path, commands: list[list[str]]) -> int:
    """Run commands one after the other; gives the first exit status that is not 0."""
    from lightning_flowers.hardware.xla import compiles, runtime

    shardings: dict[str, list[str]] = {}
    send = runtime.Cores.send

    def noting(self, tensor):
        sent = send(self, tensor)
        shardings.setdefault(str(list(tensor.shape)), []).append(runtime.sharding_of(sent))
        return sent

    runtime.Cores.send = noting
    die_at(int(os.environ.get("DIE_AT", "0")))
    status = next((status for command in commands if (status := main(command))), 0)
    seen = compiles.counters()
    counted = {
        "status": status,
        "graphs": seen.graphs,
        "fallbacks": seen.fallbacks,
        "shardings": {shape: sorted(set(found)) for shape, found in shardings.items()},
    }
    out.write_text(json.dumps(counted), encoding="utf-8")
    return status


def die_at(step: int) -> None:
    """Have the process vanish where that training step, counted from 1, is to begin; 0: never."""
    classifier: Any = FlowerClassifier
    steps, original = count(1), classifier.training_step

    def training_step(self, *args):
        if next(steps) == step:
            os._exit(9)
        return original(self, *args)

    classifier.training_step = training_step


def split(args: list[str]) -> Iterator[list[str]]:
    """The commands between the `--`."""
    while args:
        end = args.index("--") if "--" in args else len(args)
        yield args[:end]
        args = args[end + 1 :]


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), list(split(sys.argv[2:]))))
