"""The command line of `serve`."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

from lightning_flowers.cli.commands import PROGRAM
from lightning_flowers.cli.parsing import Parser
from lightning_flowers.errors import UserError
from lightning_flowers.evaluation.decision import Decision
from lightning_flowers.secrets import redact
from lightning_flowers.serve.settings import Backend, Settings

if TYPE_CHECKING:
    from lightning_flowers.serve.val_pictures import ValPictures
    from lightning_flowers.use.predictor import Predictor

KEY = "LIGHTNING_FLOWERS_API_KEY"
_SHORTEST_KEY = 16
_PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def run(args: Sequence[str]) -> int:
    """Run `serve RUN` until it is stopped, and return its exit status.

    Raises:
        UserError: a mistake in the arguments, the run cannot be used, or packages are missing.
    """
    given = make_parser().parse_args(args)
    settings = _settings(given)
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise UserError(f"serve needs {package}: pip install 'lightning_flowers[serve]'") from error
    from lightning_flowers.hardware import keep_freed_memory
    from lightning_flowers.serve import app, backends, server  # imported late: torch takes seconds
    from lightning_flowers.use.loading import load

    listening = server.bind(given.host, given.port)
    with listening:
        predictor = load(given.run, accelerator=given.accelerator, tta=given.tta, decision=given.decision)
        if predictor.device.type == "cpu":
            keep_freed_memory()
        backend = backends.choose(predictor, given.backend)
        val = _val(predictor, given.examples, given.neighbours) if given.examples or given.neighbours else None
        built, where = app.build(predictor, settings, val, backend), server.address(given.host, listening)

        def started() -> None:
            sys.stdout.write(f"serving    {predictor.name} at {where} by {backend[0]} (Ctrl-C ends it)\n")
            sys.stdout.flush()

        server.serve(built, listening, settings, started)
    return 0


def _val(predictor: "Predictor", examples: int, neighbours: int) -> "ValPictures | None":
    """Without the run's data there are none, and the server serves all the same."""
    from lightning_flowers.serve.val_pictures import ValPictures

    try:
        return ValPictures(predictor, examples, neighbours)
    except UserError as error:
        sys.stderr.write(redact(f"val        no pictures: {error}\n"))
        return None


def _settings(given: Any) -> Settings:
    for flag in ("batch", "queue", "max_files", "max_mb", "max_megapixels"):
        number = getattr(given, flag)
        if number is not None and number < 1:
            raise UserError(f"--{flag.replace('_', '-')}={number}: must be 1 or more")
    for flag in ("examples", "neighbours"):
        if getattr(given, flag) < 0:
            raise UserError(f"--{flag}={getattr(given, flag)}: must be 0 (none) or more")
    if not 0 <= given.port < 1 << 16:
        raise UserError(f"--port={given.port}: must be in 0..65535")
    if given.queue < given.max_files:
        raise UserError(f"--queue={given.queue}: a request may hold more pictures (--max-files={given.max_files})")
    for origin in given.cors:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
            raise UserError(f"--cors={origin}: must be an origin, such as https://example.org")
    max_bytes = given.max_mb << 20
    return Settings(
        max_batch=given.batch,
        queue=given.queue,
        max_files=given.max_files,
        max_bytes=max_bytes,
        max_pixels=given.max_megapixels * 1_000_000,
        bytes_in_memory=max(Settings.bytes_in_memory, 4 * max_bytes),
        key=_key(given.api_key_file),
        origins=tuple(given.cors),
    )


def _key(file: str | None) -> str | None:
    """Of a file or the environment: a command line is seen by all users of a machine."""
    try:
        key = Path(file).read_text("utf-8").strip() if file else os.environ.get(KEY)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--api-key-file={file}: cannot be read: {getattr(error, 'strerror', 'no text')}") from error
    if key is None:
        return None
    if len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        where = f"--api-key-file={file}" if file else KEY
        raise UserError(f"{where}: a key has {_SHORTEST_KEY} or more characters: letters, digits and signs")
    return key


def make_parser() -> Parser:
    """The flags of `serve`."""
    parser = Parser("serve")
    parser.add_argument("run", metavar="RUN", help="folder of a run, a soup or a blend")
    parser.add_argument("--host", default="127.0.0.1", help="address; 0.0.0.0 for all (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    parser.add_argument("--api-key-file", metavar="FILE", help=f"a key that clients must show (or: {KEY})")
    parser.add_argument(
        "--cors", action="append", default=[], metavar="ORIGIN", help="other site whose pages may call; can be repeated"
    )
    limits = Settings()
    for flag, default, what in (
        ("batch", limits.max_batch, "pictures that the model sees at once, at most"),
        ("queue", limits.queue, "pictures that may be under way; further ones are answered 503"),
        ("max-files", limits.max_files, "pictures of a request"),
        ("max-mb", limits.max_bytes >> 20, "MB of a request"),
        ("max-megapixels", limits.max_pixels // 1_000_000, "of a picture"),
    ):
        told = default or "8 on a CPU, 32 elsewhere"
        parser.add_argument(f"--{flag}", type=int, default=default, metavar="N", help=f"{what} (default: {told})")
    parser.add_argument(
        "--examples", type=int, default=0, metavar="N", help="show N of the run's val pictures to try (default: 0)"
    )
    parser.add_argument(
        "--neighbours",
        type=int,
        default=4,
        metavar="N",
        help="show the N val pictures that are nearest to a photograph; the model looks at val while nobody asks "
        "(default: 4; 0: none)",
    )
    parser.add_argument("--tta", metavar="VIEWS", help="none, flips, dihedral: see classify")
    parser.add_argument("--decision", choices=get_args(Decision), default="argmax", help="see classify")
    parser.add_argument("--accelerator", default="auto", help="auto (TPU, then CUDA, then CPU), cpu, cuda, tpu")
    parser.add_argument(
        "--backend",
        choices=get_args(Backend),
        default="auto",
        help="what computes on a CPU (default: openvino where it is installed and answers as torch does)",
    )
    parser.epilog = f"The page is at /, the API's description at /openapi.json. See also: {PROGRAM} classify"
    return parser
