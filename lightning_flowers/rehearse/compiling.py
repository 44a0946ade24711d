"""Graphs go to libtpu in processes of their own, and what came of them is kept."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import platformdirs
from filelock import FileLock, Timeout

from lightning_flowers.cli.child import last_words
from lightning_flowers.errors import UserError
from lightning_flowers.files import write_text
from lightning_flowers.rehearse.chips import Chip
from lightning_flowers.rehearse.operations import Operation, operations, without_names

INSTALL = "pip install -e '.[rehearse]' in the project's folder"
QUICK, FULL = -1.0, 0.0  # libtpu's effort: the least, for memory alone, and a run's
_USED = re.compile(r"Used ([\d.]+)([KMG]?) of ([\d.]+)([KMG]?) (?:hbm|HBM)")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_VERSIONS = "from importlib.metadata import version as v; print(v('libtpu'), v('jax'))"
# As torch_xla sets them for a TPU (torch_xla/__init__.py, 2.9), the last two for v5e and v5p alone.
_FLAGS = (
    "--xla_tpu_use_enhanced_launch_barrier=false --xla_latency_hiding_scheduler_rerun=1 "
    "--xla_tpu_prefer_async_allgather_to_allreduce=true --xla_tpu_enable_flash_attention=false"
)
_V5 = "--xla_enable_async_all_gather=true --xla_enable_async_collective_permute=true"


class Compiled(NamedTuple):
    """What libtpu made of a graph. Bytes, cycles and operations are of one core.

    seconds: that compiling took, when it was compiled.
    memory: argument, output, alias (of these two, the same memory), temp and generated_code.
    flops, bytes: arithmetic, and what goes to memory and comes from it.
    operations: of the program.
    """

    seconds: float
    memory: dict[str, int]
    flops: float
    bytes: float
    operations: tuple[Operation, ...]

    @property
    def cycles(self) -> int:
        """That libtpu expects of the program."""
        return sum(operation.cycles for operation in self.operations)

    @property
    def needed(self) -> int:
        """Bytes of a core's memory: arguments, results in memory of their own, temporaries, the program."""
        memory = self.memory
        return sum(memory.values()) - 2 * memory["alias"]


class RefusedError(Exception):
    """libtpu does not take a graph; `needed` of `there` bytes where it is for want of memory, else 0."""

    def __init__(self, why: str) -> None:
        super().__init__(why.strip().splitlines()[0] if why.strip() else "libtpu has ended without a word")
        found = _USED.search(why)
        self.needed = float(found[1]) * _UNITS[found[2]] if found else 0.0
        self.there = float(found[3]) * _UNITS[found[4]] if found else 0.0


class Compiler:
    """libtpu, in some Python that has it.

    Attributes:
        versions: of libtpu and jax.

    Raises:
        UserError: it has not.
    """

    def __init__(self, chip: Chip, python: str = sys.executable) -> None:
        self.chip, self._python = chip, python
        try:
            asked = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=False)
        except OSError as error:
            raise UserError(f"--compiler={python}: cannot be started: {error.strerror}") from error
        if asked.returncode:
            raise UserError(f"rehearse: {python} lacks libtpu or jax: {INSTALL}, or give another --compiler")
        self.versions = "libtpu {} with jax {}".format(*asked.stdout.split())

    def compile(self, hlo: str, donated: tuple[int, ...], cores: int, effort: float = FULL) -> Compiled:
        """Compile a graph for so many cores, or find it compiled.

        Raises:
            RefusedError: libtpu does not take it.
        """
        job = {"topology": self.chip.topology, "donated": donated, "cores": cores, "effort": effort}
        kept = self._cache_file(hlo, job)
        if not kept.is_file():
            write_text(kept, json.dumps(self._run(hlo, job)))
        result = json.loads(kept.read_text("utf-8"))
        if "error" in result:
            raise RefusedError(result["error"])
        return Compiled(**{**result, "operations": tuple(Operation(*row) for row in result["operations"])})

    def _cache_file(self, hlo: str, job: dict[str, Any]) -> Path:
        what = (without_names(hlo), job, self.versions, self._flags())
        name = hashlib.sha256(repr(what).encode()).hexdigest()[:32]
        folder = Path(platformdirs.user_cache_dir("lightning_flowers")) / "rehearsed"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.json"

    def _flags(self) -> str:
        own = os.environ.get("LIBTPU_INIT_ARGS", "")
        return " ".join(filter(None, (_FLAGS, _V5 if self.chip.topology.startswith("v5") else "", own)))

    def _run(self, hlo: str, job: dict[str, Any]) -> dict[str, Any]:
        with TemporaryDirectory(prefix="lightning_flowers_libtpu_") as folder:
            graph, asked, result = (Path(folder) / name for name in ("graph.hlo", "job.json", "result.json"))
            graph.write_text(hlo, "utf-8")
            asked.write_text(json.dumps({**job, "hlo": str(graph)}), "utf-8")
            command = [self._python, str(Path(__file__).with_name("worker.py")), str(asked), str(result)]
            environment = {**_without_a_tpu(), "LIBTPU_INIT_ARGS": self._flags()}
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, env=environment
            )
            if not result.is_file():
                raise UserError(f"rehearse: libtpu has failed (exit {done.returncode}): {last_words(done.stderr)}")
            return _read(json.loads(result.read_text("utf-8")))


def one_at_a_time() -> FileLock:
    """A lock for as long as a rehearsal lasts: two would not fit into this machine's memory.

    Raises:
        UserError: another one is going on.
    """
    lock = FileLock(Path(platformdirs.user_cache_dir("lightning_flowers", ensure_exists=True)) / "rehearsal.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError("rehearse: another rehearsal is going on here: wait until it has ended") from error
    return lock


def _without_a_tpu() -> dict[str, str]:
    """This process's environment, for a libtpu that has no TPU: it would look for one, and let one process load it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("TPU_PROCESS_ADDRESSES", "PJRT_DEVICE")}
    ours = {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    return {**kept, **ours, "JAX_PLATFORMS": "cpu", "TPU_MIN_LOG_LEVEL": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _read(result: dict[str, Any]) -> dict[str, Any]:
    if "error" in result:
        return result
    kept = {name: result[name] for name in ("seconds", "memory", "flops", "bytes")}
    return {**kept, "operations": operations(result["text"])}
