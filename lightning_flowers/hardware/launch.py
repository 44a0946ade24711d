"""Processes that torchrun or SLURM has started for one command: who they are, and their first words to each other."""

import functools
import os
import pickle
import platform
import secrets
import socket
import time
from collections.abc import Callable
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
        launch: of this process.
        decide: called on the first, once all have come; told whether any of them was started again.

    Raises:
        UserError: on every process that has come, where another has not, or the first could not decide.
    """
    rank, world = launch.place.global_rank(), launch.place.world_size()
    if world == 1:
        return decide(launch.again)
    seconds = _patience()
    store = c10d.PrefixStore(f"lightning_flowers/{next(_calls)}", _store(launch.place, seconds))
    try:
        if rank == 0:
            decided, port = _tell(store, launch, decide, seconds)
        else:
            decided, port = _hear(store, launch, rank, seconds)
    except dist.DistError as error:
        raise _silent(launch.place, seconds) from error
    if port:
        os.environ |= {"MASTER_PORT": str(port), _AGENTS: "False"}
    if isinstance(decided, UserError):
        raise decided
    return decided


def _tell(store: Any, launch: Launch, decide: Callable[[bool], Any], seconds: float) -> tuple[Any, int | None]:
    """Wait for the others, decide, and tell them.

    torchrun keeps the store when it starts processes again, with all that was said before in it. So each process draws
    a number, is sent one of the first's in answer to it, and counts as there when it has used that.
    """
    world, until, token = launch.place.world_size(), time.monotonic() + seconds, secrets.token_hex(8)
    here = {0: (platform.node(), launch.again)}
    while len(here) < world and time.monotonic() < until:
        for rank in set(range(world)) - here.keys():
            if store.check([f"number/{rank}"]):
                store.set(f"answer/{store.get(f'number/{rank}').decode()}", token)
            if store.check([f"here/{token}/{rank}"]):
                here[rank] = pickle.loads(store.get(f"here/{token}/{rank}"))
        time.sleep(_PAUSE)
    again = any(restarted for _, restarted in here.values())
    told = (_decide(decide, again) if len(here) == world else _missing(launch.place, here, seconds), _new_port(again))
    store.set(f"decided/{token}", pickle.dumps(told))
    if isinstance(told[0], UserError):
        time.sleep(_LAST_WORD)  # the store may end with this process
    return told


def _hear(store: Any, launch: Launch, rank: int, seconds: float) -> tuple[Any, int | None]:
    until, number = time.monotonic() + 2 * seconds, secrets.token_hex(8)  # the first may begin to wait later
    store.set(f"number/{rank}", number)
    while time.monotonic() < until:
        if store.check([f"answer/{number}"]):
            token = store.get(f"answer/{number}").decode()
            store.set(f"here/{token}/{rank}", pickle.dumps((platform.node(), launch.again)))
            if store.check([f"decided/{token}"]):
                return pickle.loads(store.get(f"decided/{token}"))
        time.sleep(_PAUSE)
    raise _silent(launch.place, 2 * seconds)


def _decide(decide: Callable[[bool], Any], again: bool) -> Any:
    try:
        return decide(again)
    except UserError as error:
        return error


def _new_port(again: bool) -> int | None:
    """Where the processes of a launch that was started again are to meet: torch would read from torchrun's store where
    those before them were, and not find them."""
    if not again or os.environ.get(_AGENTS) != "True":
        return None
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]


def _store(place: ClusterEnvironment, seconds: float) -> Any:
    serves = place.global_rank() == 0 and os.environ.get(_AGENTS) != "True"
    if not serves:
        _wait_for(place, seconds)
    try:
        return _connect(place.main_address, place.main_port, place.world_size(), serves, seconds)
    except dist.DistError as error:
        raise _silent(place, seconds) from error


def _wait_for(place: ClusterEnvironment, seconds: float) -> None:
    """Wait until the first can be reached; torch would print pages of its own while it waits."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((place.main_address, place.main_port), seconds).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise _silent(place, seconds) from error
        time.sleep(_PAUSE)


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
        f"{place.main_address}:{place.main_port} in {seconds:g} s, only {came}: look there, or wait longer: "
        f"{WAIT}=SECONDS"
    )


def _silent(place: ClusterEnvironment, seconds: float) -> UserError:
    return UserError(
        f"process 0, the first, does not answer at {place.main_address}:{place.main_port} ({seconds:g} s): look at its "
        f"node, at MASTER_ADDR, and at firewalls between, or wait longer: {WAIT}=SECONDS"
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
