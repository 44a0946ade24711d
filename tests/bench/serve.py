"""What a server answers in a second, and how long a client waits: `make bench-serve` starts it.

All servers run at once, on the same machine as the clients, and one at a time is asked; each round asks all of them, so
that what drifts drifts for all. A client sends a photograph, waits for the answer, and sends the next.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent.parent
ALONE, ONE = "the model alone", "--batch=1"
START_SECONDS, ASK_SECONDS = 600, 120
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


class Measured(NamedTuple):
    """Of some requests: pictures a second, and milliseconds that half and 99 of 100 took at most."""

    per_second: float
    p50: float
    p99: float


def measured(seconds: list[float], whole: float) -> Measured:
    """What requests that took so long each, and all together, amount to."""
    ordered = sorted(seconds)
    p99 = ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)]
    return Measured(len(ordered) / whole, 1000 * statistics.median(ordered), 1000 * p99)


def ask(port: int, picture: bytes) -> Callable[[], object]:
    """A client with a connection of its own: each call sends the picture once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
    body = HEAD + picture + b"\r\n--b--\r\n"

    def once() -> None:
        connection.request("POST", "/v1/predict", body, FORM)
        response = connection.getresponse()
        content = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"answered {response.status}: {content[:200]!r}")

    return once


def drive(make_client: Callable[[], Callable[[], object]], clients: int, requests: int) -> Measured:
    """Ask from several threads at once, `requests` times in all."""
    taken: list[float] = []
    failed: list[BaseException] = []
    left = iter(range(requests))

    def work(client: Callable[[], object]) -> None:
        try:
            for _ in left:
                began = time.perf_counter()
                client()
                taken.append(time.perf_counter() - began)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(make_client(),)) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return measured(taken, time.perf_counter() - began)


def bare(run: Path, picture: bytes) -> dict[str, Callable[[], object]]:
    """The model without a server: torch, and what `serve` takes by itself."""
    import lightning_flowers
    from lightning_flowers.serve.backends import choose

    predictor = lightning_flowers.load(run, accelerator="cpu")
    _, answers = choose(predictor, "auto")
    return {
        ALONE: lambda: predictor.guesses(answers(predictor.read(picture)[None])),
        f"{ALONE}, torch": lambda: predictor.classify([picture]),
    }


def bounds(run: Path, picture: bytes) -> Iterator[tuple[str, float]]:
    """What the parts of an answer reach in a second by themselves, each with all cores."""
    import numpy as np

    import lightning_flowers
    from lightning_flowers.serve.backends import choose

    predictor = lightning_flowers.load(run, accelerator="cpu")
    _, answers = choose(predictor, "auto")
    pixels = predictor.read(picture)
    for batch in (1, 8, 32):
        some = np.stack([pixels] * batch)
        yield f"model, batches of {batch}", batch * drive(lambda some=some: lambda: answers(some), 1, 30).per_second
    yield "decoding and resizing", drive(lambda: lambda: predictor.read(picture), os.cpu_count() or 1, 600).per_second


@contextmanager
def server(name: str, command: list[str], port: int) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """A server, for as long as the block lasts; it gets the package from this checkout. What is given waits until it
    answers, and gives its process."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS

        def wait() -> subprocess.Popen[bytes]:
            while not _accepts(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} does not start: {' '.join(command)}")
                time.sleep(0.2)
            return process

        yield wait
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # LitServe leaves its workers behind
        process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def commands(run: Path) -> dict[str, Callable[[int], list[str]]]:
    """How each server is started, by name."""
    serve = [sys.executable, "-m", "lightning_flowers", "serve", str(run), "--accelerator=cpu", "--neighbours=0"]
    kinds = ["", ONE, "--backend=torch", f"--backend=torch {ONE}"]
    found: dict[str, Callable[[int], list[str]]] = {
        f"serve {flags}".strip(): lambda port, flags=flags: [*serve, f"--port={port}", *flags.split()]
        for flags in kinds
    }
    peer = Path(os.environ.get("BENCH_PYTHON", REPOSITORY / ".venv-bench/bin/python"))
    if (
        peer.is_file()
        and not subprocess.run([peer, "-c", "import litserve"], check=False, capture_output=True).returncode
    ):
        found["LitServe"] = lambda port: [str(peer), "-m", "bench.peer_litserve", str(run), str(port)]
    else:
        sys.stderr.write("LitServe does not install here: it is left out\n")
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser("make bench-serve", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("picture", type=Path, help="a photograph")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--requests", type=int, default=200, help="of each server, number of clients and round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    picture = given.picture.read_bytes()
    with ExitStack() as servers:
        found = commands(given.run)
        ports = {name: free_port() for name in found}
        waits = [servers.enter_context(server(name, found[name](port), port)) for name, port in ports.items()]
        for wait in waits:
            wait()
        alone = bare(given.run, picture)
        makers = {name: lambda call=call: call for name, call in alone.items()}
        makers |= {name: lambda port=port: ask(port, picture) for name, port in ports.items()}
        for make in makers.values():
            drive(make, 1, 20)  # warms up
        samples: dict[tuple[str, int], list[Measured]] = {}
        for _ in range(given.rounds):
            for clients in given.clients:
                for name, make in makers.items():
                    if clients == 1 or name in ports:
                        try:
                            found_now = drive(make, clients, given.requests)
                        except RuntimeError as error:  # LitServe gives up on what waits for 30 seconds
                            sys.stderr.write(f"{name}, {clients} clients: this round does not count: {error}\n")
                            continue
                        samples.setdefault((name, clients), []).append(found_now)
                        sys.stderr.write(f"{name}, {clients} clients: {found_now}\n")
    parts = "; ".join(f"{name} {found:.0f}" for name, found in bounds(given.run, picture))
    report(samples)
    print(f"\nPictures in a second, each by itself: {parts}")


def report(samples: dict[tuple[str, int], list[Measured]]) -> None:
    """Print medians over the rounds, as Markdown and as one line of JSON."""
    medians = {key: Measured(*map(statistics.median, zip(*some, strict=True))) for key, some in samples.items()}
    print("| server | clients | pictures/s | p50, ms | p99, ms |\n|---|---|---|---|---|")
    for (name, clients), found in sorted(medians.items(), key=lambda item: item[0][1]):
        print(f"| {name} | {clients} | {found.per_second:.1f} | {found.p50:.1f} | {found.p99:.1f} |")
    most = max(clients for _, clients in medians)
    for other in (f"serve {ONE}", f"serve --backend=torch {ONE}", "LitServe"):
        if (other, most) in medians:
            ratio = medians["serve", most].per_second / medians[other, most].per_second
            print(f"\n{most} clients: {ratio:.2f} times {other}")
    for other in (ALONE, f"{ALONE}, torch"):
        if (other, 1) in medians:
            ratio = medians["serve", 1].p99 / medians[other, 1].p99
            print(f"\n1 client: p99 {ratio:.2f} times that of {other} (goal: at most 1.2)")
    print(json.dumps({f"{name}, {clients}": found._asdict() for (name, clients), found in medians.items()}))


if __name__ == "__main__":
    main()
