"""Whether a server keeps its memory over many requests, and what becomes of those that are under way when it is ended.

PYTHONPATH=tests python -m bench.steady RUN PHOTOGRAPH ...
"""

import argparse
import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.serve import ask, drive, free_port, server

PARTS = 5


def resident(pid: int) -> int:
    """MB of memory that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) >> 10


def main() -> None:
    """Ask, tell the memory, stop the server in the midst of requests, and tell how many were answered."""
    parser = argparse.ArgumentParser("bench.steady", description=__doc__)
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("pictures", type=Path, nargs="+", help="photographs, sent in turns")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--flags", default="", help="of serve")
    given = parser.parse_args()
    pictures, port = [path.read_bytes() for path in given.pictures], free_port()
    command = [sys.executable, "-m", "lightning_flowers", "serve", given.run, f"--port={port}", *given.flags.split()]
    with server("serve", command, port) as started:
        process = started()
        numbers = iter(range(1 << 30))

        def clients() -> Callable[[], object]:
            return ask(port, pictures[next(numbers) % len(pictures)])

        drive(clients, given.clients, 200)
        print(f"after 200 requests: {resident(process.pid)} MB", flush=True)
        for part in range(1, PARTS + 1):
            found = drive(clients, given.clients, given.requests // PARTS)
            print(f"after {part * given.requests // PARTS} more: {resident(process.pid)} MB; {found}", flush=True)
        print(stopped(process, clients, given.clients))


def stopped(process: subprocess.Popen[bytes], clients: Callable[[], Callable[[], object]], count: int) -> str:
    """End a server while each client waits for an answer."""
    answered, refused, failed = list[object](), list[Exception](), list[Exception]()
    told = threading.Event()

    def work(once: Callable[[], object]) -> None:
        while not told.is_set():
            try:
                once()
            except (ConnectionError, http.client.RemoteDisconnected) as error:
                refused.append(error)
                return
            except Exception as error:
                failed.append(error)
                return
        answered.append(once)

    threads = [threading.Thread(target=work, args=(clients(),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    began = time.monotonic()
    process.terminate()
    told.set()
    for thread in threads:
        thread.join()
    code = process.wait()
    return (
        f"SIGTERM with {count} clients: {len(answered)} answered, {len(refused)} not accepted, {len(failed)} failed; "
        f"exit status {code} after {time.monotonic() - began:.1f} s"
    )


if __name__ == "__main__":
    main()
