import itertools
import re

from jsonargparse import Namespace

from lightning_flowers.rehearse.chips import find_chip
from lightning_flowers.rehearse.compiling import Compiled
from lightning_flowers.rehearse.estimate import Estimate, RunTime
from lightning_flowers.rehearse.operations import Operation
from lightning_flowers.rehearse.report import of_graphs, of_run_time, of_step, verdict
from lightning_flowers.rehearse.tracing import Graph, Trace

GOOD = Trace([], Namespace(), 8, 64, "bf16-mixed", 0, (16, 16), late=[], fallbacks={}, reads=0)
STEP = Estimate(
    Graph("training step", "", ()),
    find_chip("v5e-8"),
    Compiled(
        seconds=150.0,
        memory={
            "argument": 700_000_000,
            "output": 690_000_000,
            "alias": 680_000_000,
            "temp": 7_000_000_000,
            "generated_code": 300_000_000,
        },
        flops=1.97e12,
        bytes=81.9e9,
        operations=(
            Operation(150_000_000, "fusion", "bf16[16,64]", 2048, "backbone.conv1/aten__convolution", ""),
            Operation(30_000_000, "copy", "f32[64]", 256, "", ""),
            Operation(7_500_000, "all-reduce-start", "f32[250000]", 1_000_000, "", ""),
        ),
    ),
)


def lines_under(head, text):
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{head} "))
    return [lines[start], *itertools.takewhile(lambda line: line.startswith(" "), lines[start + 1 :])]


def test_a_good_run_has_no_failure():
    assert GOOD.failures() == []
    assert verdict([]).split() == ["good", "nothing", "stands", "against", "it"]


def test_what_would_spoil_a_run_is_a_failure():
    bad = GOOD._replace(fallbacks={"aten::nonzero": 3}, reads=1, late=["training step"])
    assert bad.failures() == [
        "operators run on the host: aten::nonzero (3 times)",
        "1 value read back within training steps",
        "compiled anew in the second epoch: training step",
    ]


def test_a_graph_is_told_by_memory_time_and_bound():
    head, _, row = lines_under("graphs", of_graphs([STEP], 128))
    titles, values = re.split(" {2,}", head)[1:], re.split(" {2,}", row.strip())
    found = dict(zip(titles, values, strict=True))
    assert found["GB"] == "8.01"  # what is in place counts once
    assert (found["in place"], found["ms"], found["images/s"]) == ("0.68", "125.0", "1,024")
    assert (found["bound by"], found["of it"]) == ("memory", "80%")


def test_a_step_is_told_by_its_dearest_operations():
    text = of_step(STEP, 690_000_000)
    assert re.split(" {2,}", lines_under("dearest", text)[2].strip())[:2] == ["80.0%", "fusion"]
    assert "0.68 of 0.69 GB of state; 0.01 GB of results beside" in lines_under("in place", text)[0]
    assert "1 from one layout to another, 16.0% of the cycles" in lines_under("copies", text)[0]
    assert "1.0 MB in 1 collectives: 1 all-reduce" in lines_under("exchanged", text)[0]
    assert "no convolution or product" in lines_under("float32", text)[0]


def test_a_run_is_told_in_hours():
    text = of_run_time(RunTime(train=12.5, val=1.5, once=0.0, epochs=20, compiling=320.0), 9.0)
    assert "train 12.5 s, val 1.5 s: an estimate" in text
    assert "20 epochs 280 s, compiling 320 s (as it took here; every session compiles anew): 0.17 of 9 h" in text
