"""What is in a program that libtpu has optimized: its operations, and the cycles that libtpu expects of each."""

import re
from typing import NamedTuple

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_TO_HOST = ("infeed", "outfeed", "send", "recv")
_BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16}
_ARRAY = re.compile(r"\b(pred|bf16|[suf]\d+)\[([\d,]*)\]")
_OPCODE = re.compile(r" ([a-z][\w-]*)\(")  # the first after the shape, in which names have no space before them
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_NAME = re.compile(r'op_name="([^"]*)"')
_SOURCE = re.compile(r'source_file="([^"]*)" source_line=(\d+)')
_METADATA = re.compile(r", metadata=\{[^}]*\}")
_FLOAT32_PRODUCT = re.compile(r" (convolution|dot)\(f32\[")
_UNKNOWN = 10**12  # libtpu's way of saying that it cannot tell


class Operation(NamedTuple):
    """One operation of the entry computation.

    cycles: that the compiler expects of it; 0 where it does not say.
    opcode: such as fusion or copy.
    shape: of its result, without layouts.
    bytes: of its result.
    name: the module of the model that it is of, and torch_xla's name of it.
    line: of Python, empty where that lies within torch.
    """

    cycles: int
    opcode: str
    shape: str
    bytes: int
    name: str
    line: str


def operations(text: str) -> list[Operation]:
    """The operations of an optimized program's entry computation, in the order in which they run."""
    entry = text[text.index("\nENTRY") :].partition("\n}")[0]
    return [_operation(line) for line in entry.splitlines()[2:] if " = " in line]


def float32_products(hlo: str) -> list[str]:
    """Names of the convolutions and matrix products of float32 in a traced graph."""
    return [_name(line) for line in hlo.splitlines() if _FLOAT32_PRODUCT.search(line)]


def without_names(hlo: str) -> str:
    """A graph's text without the names and lines of Python that its operations bear: equal for equal programs."""
    return _METADATA.sub("", hlo)


def is_collective(operation: Operation) -> bool:
    """Whether the cores exchange something in it; the end of one that began before is not counted again."""
    return operation.opcode.removesuffix("-start") in COLLECTIVES


def goes_to_host(operation: Operation) -> bool:
    """Whether something is sent to the host, or fetched from it, in the midst of the program."""
    return operation.opcode.removesuffix("-done") in _TO_HOST


def _operation(line: str) -> Operation:
    shape, opcode, *_ = _OPCODE.split(line.partition(" = ")[2], maxsplit=1)
    found = _CYCLES.search(line)
    cycles = int(found[1]) if found else 0
    source = _SOURCE.search(line)
    outside = source and "/site-packages/" not in source[1]
    arrays = _ARRAY.findall(shape)
    return Operation(
        cycles=cycles if cycles < _UNKNOWN else 0,
        opcode=opcode,
        shape=", ".join(f"{kind}[{sides}]" for kind, sides in arrays),
        bytes=sum(_bytes(kind, sides) for kind, sides in arrays),
        name=_name(line),
        line=f"{source[1]}:{source[2]}" if source and outside else "",
    )


def _name(line: str) -> str:
    found = _NAME.search(line)
    return "/".join(found[1].split("/")[-2:]) if found else ""


def _bytes(kind: str, sides: str) -> int:
    bits = _BITS.get(kind) or int(re.sub(r"\D", "", kind))
    count = 1
    for side in filter(None, sides.split(",")):
        count *= int(side)
    return count * bits // 8
