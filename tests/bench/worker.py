"""One worker: `python -m bench.worker MODULE JOB` times the candidates of a module of this package."""

import importlib
import json
import os
import sys
from importlib.metadata import version

from .protocol import Job, serve


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    job = Job(**json.loads(sys.argv[2]))
    try:
        peer = importlib.import_module(f".{sys.argv[1]}", __package__)
        candidates = peer.candidates(job)
    except (ImportError, OSError) as error:  # OSError: a shared library that is not there
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers, flush=True)
        sys.exit(1)
    versions = {name: version(name) for name in peer.PACKAGES}
    serve(candidates, versions, job.seconds, sys.stdin, answers)


if __name__ == "__main__":
    main()
