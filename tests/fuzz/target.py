"""Fuzzes one reader with atheris: `python tests/fuzz/target.py shard|example|picture FOLDER [libFuzzer's options]`.

FOLDER keeps the inputs that reached new code, so that the next run goes on from them; a finding is written there too.
`make fuzz` runs all three.
"""

import random
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import atheris  # pyright: ignore[reportMissingModuleSource]

with atheris.instrument_imports(include=["lightning_flowers.data"]):  # pyright: ignore[reportAttributeAccessIssue]
    import lightning_flowers.data.decode
    import lightning_flowers.data.tfrecord.index  # noqa: F401

import oracle
from seeds import RECORDS, SEEDS

OPTIONS = ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"]
Mutator = Callable[[bytes, int, int], bytes]


def shard_of(folder: Path) -> Callable[[bytes], None]:
    """Checks bytes as a shard."""
    path = folder / f"00-32x32-{RECORDS}.tfrec"

    def check(data: bytes) -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        oracle.check_shard(path)

    return check


def mutate_shard(data: bytes, max_size: int, seed: int) -> bytes:
    """Bytes as they come; a flipped bit; a cut; or a new payload in right framing, where CRCs stop the others."""
    choose = random.Random(seed)
    payloads = oracle.payloads_of(data)
    whole = b"".join(map(oracle.frame, payloads)) or data
    kind = choose.random()
    if kind < 0.4 and payloads:
        at = choose.randrange(len(payloads))
        payloads[at] = atheris.Mutate(payloads[at], len(payloads[at]) + 64)
        mutated = b"".join(map(oracle.frame, payloads))
    elif kind < 0.7 and whole:
        at = choose.randrange(len(whole))
        mutated = whole[:at] + bytes([whole[at] ^ 1 << choose.randrange(8)]) + whole[at + 1 :]
    elif kind < 0.8:
        mutated = whole[: len(whole) - choose.randrange(13)]
    else:
        mutated = atheris.Mutate(data, max_size)
    return mutated[:max_size]


def mutate_picture(data: bytes, max_size: int, seed: int) -> bytes:
    """Bytes as they come, or a PNG with right CRCs, which would stop all mutations."""
    mutated = bytearray(atheris.Mutate(data, max_size))
    position = 8
    while mutated.startswith(b"\x89PNG") and seed % 4 and position + 12 <= len(mutated):
        stop = position + 8 + int.from_bytes(mutated[position : position + 4], "big")
        mutated[stop : stop + 4] = zlib.crc32(mutated[position + 4 : stop]).to_bytes(4, "big")
        position = stop + 4
    return bytes(mutated[:max_size])


def main() -> None:
    """Run the target that the command line names."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[kind]):
        (folder / f"seed{number}").write_bytes(seed)
    arguments = [sys.argv[0], str(folder), f"-artifact_prefix={folder}/", *OPTIONS, *sys.argv[3:]]
    with tempfile.TemporaryDirectory() as scratch:
        check, options = {
            "shard": (shard_of(Path(scratch)), {"custom_mutator": mutate_shard}),
            "example": (oracle.check_example, {}),
            "picture": (oracle.check_picture, {"custom_mutator": mutate_picture}),
        }[kind]
        atheris.Setup(arguments, check, **options)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
