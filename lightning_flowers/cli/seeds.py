"""`fit --seeds`: one run for each of several seeds, each in a process of its own, then what they have in common."""

import sys
from collections.abc import Sequence

from lightning_flowers.cli.child import run_command
from lightning_flowers.cli.parsing import given, without
from lightning_flowers.errors import UserError

FLAG = "--seeds"
_RUN = "run        "  # how the last line of `fit` begins, before the run's folder
_REFUSED = ("--seed_everything", "--resume")
_LARGEST = 2**32 - 1  # that numpy takes


def asks_for_seeds(args: Sequence[str]) -> bool:
    """Whether a command line asks for several runs."""
    helps = "--help" in args or "-h" in args
    return args[0] == "fit" and not helps and any(arg.partition("=")[0] == FLAG for arg in args)


def run_seeds(args: Sequence[str]) -> int:
    """Run `fit` once for each seed, and compare the runs; gives the exit status of the first that fails, else 0.

    Processes of their own: what XLA, CUDA and Lightning's launchers keep for life cannot spoil the next run.

    Raises:
        UserError: the seeds are no numbers, or there is a flag that several runs cannot share.
    """
    from lightning_flowers.compare import cli as compare  # imported late: other commands should not wait for it

    seeds, name, rest = _split(args)
    runs: list[str] = []
    for number, seed in enumerate(seeds, start=1):
        print(f"seed       {seed} ({number} of {len(seeds)})", flush=True)  # noqa: T201
        named = [f"--name={name}-seed{seed}" if seed else f"--name={name}"] if name else []  # as unnamed runs are
        status, run = _fit([*rest, *named, f"--seed_everything={seed}"])
        if status:
            done = f"; finished before it: {', '.join(runs)}" if runs else ""
            print(f"lightning_flowers: the run with seed {seed} did not finish{done}", file=sys.stderr)  # noqa: T201
            return status
        runs += [run] if run else []
    return compare.run(runs) if runs else 0


def _split(args: Sequence[str]) -> tuple[list[int], str | None, list[str]]:
    """The seeds, the name, and the command line without them."""
    seeds, names, rest = given(args, FLAG), given(args, "--name"), without(args, FLAG, "--name")
    wrong = next((arg.partition("=")[0] for arg in rest if arg.partition("=")[0] in _REFUSED), None)
    if wrong or len(seeds) > 1:
        raise UserError(f"{FLAG}: cannot be given together with {wrong or FLAG}, nor twice")
    return _numbers(seeds[0][1]), names[-1][1] if names else None, rest


def _numbers(value: str) -> list[int]:
    parts = [part.strip() for part in value.split(",")]
    seeds = [int(part) for part in parts if part.isascii() and part.isdecimal()]
    if len(set(seeds)) < len(parts) or max(seeds) > _LARGEST:
        raise UserError(f"{FLAG}={value}: give different whole numbers of 0 or more with commas between, such as 0,1,2")
    return seeds


def _fit(args: Sequence[str]) -> tuple[int, str | None]:
    """Run one command, its output shown as it comes; gives its exit status and the run's folder."""
    run = None

    def show(line: str, _: object) -> None:
        nonlocal run
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.startswith(_RUN):
            run = line.removeprefix(_RUN).strip()

    return run_command(args, show), run
