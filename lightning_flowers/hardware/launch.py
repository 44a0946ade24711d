"""Processes that torchrun or SLURM has started for one command: who they are, and their first words to each other."""

import functools
import os
import pickle
import platform
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple

from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import distributed as dist

from lightning_flowers.errors import UserError

c10d: Any = dist  # whose stores have types that are too narrow
WAIT = "LIGHTNING_FLOWERS_WAIT"
_LONGEST = 7 * 24 * 3600.0
_LAST_WORD = 1.0  # seconds that the first stays to be heard, where it has to give up
_PAUSE = 0.05  # between two looks
_AGENTS = "TORCHELASTIC_USE_AGENT_STORE"
_calls = count()  # so that a second command of this process, from Python, is another matter


class Launch(NamedTuple):
    """What started this process.

    Args:
        name: of the launch; the same on all its processes, and once it has been started again.
        again: whether it has been started again.
        place: this process among the others.
    """

    name: str
    again: bool
    place: ClusterEnvironment


def launched() -> Launch | None:
    """What started this process, if torchrun or SLURM's srun did and says where the first of them is."""
    known = os.environ
    if TorchElasticEnvironment.detect() and "MASTER_ADDR" in known:
        again = known.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
        return Launch(f"torchrun {known['TORCHELASTIC_RUN_ID']}", again, TorchElasticEnvironment())
    alone = known.get("SLURM_NTASKS") == "1"
    if "SLURM_STEP_ID" in known and SLURMEnvironment.detect() and (alone or "SLURM_NTASKS_PER_NODE" in known):
        again = known.get("SLURM_RESTART_COUNT", "0") != "0"
        return Launch(f"SLURM job {known.get('SLURM_JOB_ID', '')}", again, SLURMEnvironment())
    return None


def agree(launch: Launch, decide: Callable[[bool], Any]) -> Any:
    """What the first process decides, on all of them, before there is anything else that they could talk by.

    Args:
        decide: called on the first, once all have come; told whether any of them was started again.

    Raises:
        UserError: on every process that has come, where another has not, or the first could not decide.
    """
    place = launch.place
    rank, world, seconds = place.global_rank(), place.world_size(), _patience()
    if world == 1:
        return decide(launch.again)
    port = 10000 + (place.main_port + 5003) % 20000  # another, below those that systems hand out by themselves
    os.environ |= {"MASTER_PORT": str(port), _AGENTS: "False"}  # for the run's own store too
    try:
        store = c10d.PrefixStore(f"lightning_flowers/{next(_calls)}", _store(place, port, seconds))
        store.set(f"here/{rank}", pickle.dumps((platform.node(), launch.again)))
        if rank == 0:
            store.set("decided", pickle.dumps(_decide(store, place, decide, seconds)))
        store.wait(["decided"], timedelta(seconds=2 * seconds))  # the first may begin to wait later
        decided = pickle.loads(store.get("decided"))
    except (dist.DistError, OSError) as error:
        if rank == 0:
            raise UserError(
                f"{place.main_address}:{port}: process 0, the first, cannot serve the others there: is the port taken, "
                "or MASTER_ADDR another node's? Another MASTER_PORT moves it"
            ) from error
        raise UserError(
            f"process 0, the first, does not answer at {place.main_address}:{port} ({seconds:g} s): look at its node, "
            f"at MASTER_ADDR, and at firewalls between, or wait longer: {WAIT}=SECONDS"
        ) from error
    if isinstance(decided, UserError):
        if rank == 0:
            time.sleep(_LAST_WORD)  # the store ends with this process
        raise decided
    return decided


def _decide(store: Any, place: ClusterEnvironment, decide: Callable[[bool], Any], seconds: float) -> Any:
    """What the first decides, or why it cannot."""
    keys = [f"here/{rank}" for rank in range(place.world_size())]
    with suppress(dist.DistError):
        store.wait(keys, timedelta(seconds=seconds))
    here = {rank: pickle.loads(store.get(key)) for rank, key in enumerate(keys) if store.check([key])}
    if len(here) < len(keys):
        return _missing(place, here, seconds)
    try:
        return decide(any(again for _, again in here.values()))
    except UserError as error:
        return error


def _store(place: ClusterEnvironment, port: int, seconds: float) -> Any:
    """The first's own: torchrun's, which it keeps when it starts processes again, has what was said before in it."""
    host, serves, until = place.main_address, place.global_rank() == 0, time.monotonic() + seconds
    while not serves:  # torch would print pages of its own while it waits for the first
        try:
            socket.create_connection((host, port), seconds).close()
            break
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)
    return _connect(host, port, place.world_size(), serves, seconds)


@functools.cache
def _connect(host: str, port: int, world: int, serves: bool, seconds: float) -> Any:
    """Kept for as long as the process lives, as the run's own, which Lightning makes at the same port, shares it."""
    wait = timedelta(seconds=seconds)
    return c10d.TCPStore(host, port, world, serves, wait, wait_for_workers=False, multi_tenant=True)


def _missing(place: ClusterEnvironment, here: dict[int, Any], seconds: float) -> UserError:
    world = place.world_size()
    rank = min(set(range(world)) - here.keys())
    each = int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or 1)
    came = ", ".join(sorted({host for host, _ in here.values()}))
    return UserError(
        f"process {rank} of {world}, on node {rank // each} of {-(-world // each)} (both from 0), has not come to "
        f"{place.main_address} in {seconds:g} s, only {came}: look there, or wait longer: {WAIT}=SECONDS"
    )


def _patience() -> float:
    text = os.environ.get(WAIT, "600")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise UserError(f"{WAIT}={text}: give the seconds to wait for all processes, above 0")
    return seconds
