import itertools
import json
import re

import pytest

from lightning_flowers.rehearse.findings import Findings
from lightning_flowers.rehearse.footprint import Footprint
from lightning_flowers.rehearse.report import to_text
from lightning_flowers.rehearse.watch import Graph, Input

SPLIT = "{devices=[8,1,1,1]0,1,2,3,4,5,6,7}"
GOOD = Findings(
    backbone="xception",
    cores=8,
    precision="bf16-mixed",
    size=512,
    batch=128,
    small_size=64,
    small_batch=16,
    epochs=3,
    steps=9,
    inputs=[Input("image", "uint8", (16, 64, 64, 3), SPLIT), Input("mask", "bool", (16,), "{devices=[8]0,1}")],
    compiled=5,
    seconds=61.25,
    late=0,
    graphs=[
        Graph("user torch_xla.sync", "step (/somewhere/else.py:3)", "first epoch"),
        Graph("user torch_xla.sync", "step (/somewhere/else.py:3)", "first epoch"),
        Graph("mark_step", "fit (/somewhere/else.py:9)", "after training"),
    ],
    fallbacks={},
    reads=0,
    traffic=197_000.0,
    footprint=Footprint(
        parameters=80_000_000,
        optimizer=160_000_000,
        average=0,
        batch=12_583_184,
        gradients=80_000_000,
        activations=5_000_000_000,
        products=3_000_000_000,
        peak=6_000_000_000,
        flops=2_292_000_000_000,
    ),
    chip=16e9,
)


def lines_under(head, text):
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{head} "))
    return [lines[start], *itertools.takewhile(lambda line: line.startswith(" "), lines[start + 1 :])]


def test_a_good_run_has_no_failure():
    assert GOOD.failures() == []
    assert to_text(GOOD).splitlines()[-1].split() == ["good", "nothing", "stands", "against", "it"]


def test_inputs_are_a_table():
    head, image, mask = lines_under("inputs", to_text(GOOD))
    assert head.split() == ["inputs", "what", "type", "shape", "sharding"]
    assert image.split(maxsplit=2) == ["image", "uint8", f"16 x 64 x 64 x 3  {SPLIT}"]
    assert head.index("sharding") == image.index(SPLIT) == mask.index("{devices=[8]")


def test_equal_graphs_are_one_row():
    head, _, steps, other = lines_under("graphs", to_text(GOOD))
    assert "5 compiled in 61.2 s, 0 of them after the first epoch; causes of 3:" in head
    assert re.split(" {2,}", steps.strip()) == ["2", "first epoch", "a step is sent off", "step (/somewhere/else.py:3)"]
    assert re.split(" {2,}", other.strip()) == ["1", "after training", "mark_step", "fit (/somewhere/else.py:9)"]


def test_memory_adds_up():
    rows = dict(line.strip().rsplit("  ", 1) for line in lines_under("memory", to_text(GOOD))[1:-1])
    found = {name.strip(): value for name, value in rows.items()}
    assert found["3 batches"] == "0.04"
    assert found["together, from the products alone to all"] == "3.28 to 6.28"
    assert lines_under("arithmetic", to_text(GOOD)) == ["arithmetic  2.29 TFLOP a step on one core, 18.34 on all"]
    assert "100.7 MB a step to the cores at 512 px, batch 128" in to_text(GOOD)
    assert "measured here: 0.197 MB a step, for a batch of 0.197 MB" in to_text(GOOD)


@pytest.mark.parametrize(
    ("chip", "verdict", "failures"),
    [
        (16e9, "fits into 16 GB a core", 0),
        (4e9, "whether that fits into 4 GB a core depends on how much XLA computes again", 0),
        (3e9, "does not fit into 3 GB a core: halve --data.batch_size", 1),
    ],
)
def test_memory_is_held_against_the_chips(chip, verdict, failures):
    found = GOOD._replace(chip=chip)
    assert lines_under("memory", to_text(found))[-1].strip().startswith(verdict)
    assert len(found.failures()) == failures


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (
            {"inputs": [Input("image", "uint8", (16, 64, 64, 3), "")]},
            "each core does all of the work on image uint8 (16, 64, 64, 3)",
        ),
        (
            {"inputs": [Input("mask", "bool", (16,), "{replicated}")]},
            "each core does all of the work on mask bool (16,)",
        ),
        ({"fallbacks": {"aten::grid_sampler_2d": 9}}, "operators run on the host: aten::grid_sampler_2d (9 times)"),
        ({"reads": 9}, "9 values read back within training steps"),
        ({"late": 1}, "1 graph compiled after the first epoch"),
        ({"chip": 1e9}, "does not fit: at least 3.28 GB of 1 GB a core"),
    ],
)
def test_what_would_spoil_a_run_is_told(change, failure):
    found = GOOD._replace(**change)
    assert found.failures() == [failure]
    assert to_text(found).splitlines()[-1] == f"FAILS       {failure}"


def test_one_core_needs_no_split():
    found = GOOD._replace(cores=1, inputs=[Input("image", "uint8", (2, 64, 64, 3), "")])
    assert found.failures() == []
    assert "whole" in to_text(found)


def test_findings_are_json():
    read = json.loads(json.dumps(GOOD.as_dict()))
    assert read["footprint"]["most"] == GOOD.footprint.most
    assert read["inputs"][0]["sharding"] == SPLIT
    assert read["failures"] == []
