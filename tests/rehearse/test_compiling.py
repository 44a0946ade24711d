"""A small network's graphs go to the real libtpu, and the same graphs run on virtual cores."""

import os
import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import pytest

from lightning_flowers.data.sources.competition import competition_classes
from lightning_flowers.errors import UserError
from lightning_flowers.rehearse import compiling
from lightning_flowers.rehearse.chips import find_chip
from lightning_flowers.rehearse.compiling import Compiler, RefusedError
from lightning_flowers.rehearse.estimate import estimate, run_time
from lightning_flowers.rehearse.rehearsal import write_pictures

from .conftest import NET

CHIP, BATCH = find_chip("v5e-8"), 16
with_libtpu = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch_xla", "libtpu", "jax")),
    reason="torch_xla, libtpu or jax is missing",
)


@pytest.fixture(scope="module")
def cache(caches):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling.platformdirs, "user_cache_dir", lambda name, **_: str(caches / name))
        yield


@pytest.fixture(scope="module")
def traced():
    from lightning_flowers.rehearse.tracing import trace

    return trace([*NET, f"--data.batch_size={BATCH}"])


@pytest.fixture(scope="module")
def step(traced, cache):
    found = [estimate(graph, Compiler(CHIP), traced.cores) for graph in traced.graphs]
    assert all(one.compiled for one in found)
    return next(one for one in found if one.graph.stage == "training step")


@with_libtpu
@pytest.mark.slow
def test_each_core_gets_its_part_of_the_batch(step):
    given = [operation.shape for operation in step.compiled.operations if operation.opcode == "parameter"]
    assert "u8[2,32,32,3]" in given  # of 16 pictures
    assert not any(shape.startswith("u8[16") for shape in given)


@with_libtpu
@pytest.mark.slow
def test_parameters_optimizer_and_average_are_updated_in_place(step, traced):
    memory = step.compiled.memory
    assert memory["alias"] >= 0.99 * traced.state
    assert memory["output"] - memory["alias"] < 1e5  # the loss and the like
    assert step.compiled.needed < 0.1e9


@with_libtpu
@pytest.mark.slow
def test_the_step_is_bfloat16_and_stays_on_the_cores(step):
    assert step.graph.float32_products == []
    assert step.to_host == []
    assert 0 < len(step.collectives) <= 40
    assert step.bound[0] == "memory"
    assert 0 < step.bound[1] < 1


@with_libtpu
@pytest.mark.slow
def test_each_step_has_one_graph_from_which_nothing_is_read_back(traced):
    stages = Counter(graph.stage for graph in traced.graphs)
    assert [stages[f"{name} step"] for name in ("training", "evaluation", "prediction")] == [1, 1, 1]
    assert traced.failures() == []


@with_libtpu
@pytest.mark.slow
def test_operations_bear_the_names_of_modules(step):
    names = " ".join(operation.name for operation in step.compiled.operations)
    assert "backbone.conv1.0.grad/" in names
    assert "backbone.layer1.0.conv1/" in names


@with_libtpu
@pytest.mark.slow
def test_nothing_is_compiled_twice(step, traced, cache, monkeypatch):
    monkeypatch.setattr(Compiler, "_run", None)
    again = Compiler(CHIP).compile(step.graph.hlo, step.graph.donated, traced.cores)
    assert again == step.compiled


@with_libtpu
@pytest.mark.slow
def test_the_budget_counts_steps(step, traced):
    found = run_time(traced, [step])
    assert found.train == pytest.approx(-(-12_753 // 16) * step.seconds)
    assert found.epochs == 6


@with_libtpu
@pytest.mark.slow
def test_what_is_compiled_is_what_a_run_sends_off(traced, tmp_path):
    """Operation by operation, and which memory is given away, for each graph that computes with the network."""
    ran = _ran_on_virtual_cores(tmp_path, BATCH)
    for graph in traced.graphs:
        twins = [text for text in ran if _operations(text) == _operations(graph.hlo)]
        assert twins, graph.stage
        assert len(graph.donated) in [text.splitlines()[0].count(", {})") for text in twins], graph.stage


@with_libtpu
@pytest.mark.slow
def test_the_features_of_a_frozen_backbone_are_a_pass_of_their_own():
    from lightning_flowers.rehearse.tracing import trace

    stages = [graph.stage for graph in trace([*NET[::2], "--model.freeze_backbone=true", "--data.augment=none"]).graphs]
    assert stages.count("feature pass") == 1
    assert {"training step", "evaluation step", "prediction step"} <= set(stages)


def _ran_on_virtual_cores(folder, batch):
    write_pictures(folder, competition_classes(), 32, {"train": 2 * batch - 1, "val": 2 * batch - 1})
    given = [f"--data.root={folder}", f"--data.batch_size={batch}", f"--runs_dir={folder}", "--report=false"]
    own = ["--model.weights=none", "--trainer.max_epochs=1", "--trainer.accelerator=tpu"]
    flags = f"--xla_backend_optimization_level=0 --xla_dump_to={folder} --xla_dump_hlo_as_text"
    environment = {**os.environ, "XLA_FLAGS": flags, "PJRT_DEVICE": "CPU", "CPU_NUM_DEVICES": "8"}
    command = [sys.executable, "-m", "lightning_flowers", "fit", *NET, *given, *own]
    subprocess.run(command, capture_output=True, check=True, env=environment)
    return [file.read_text() for file in sorted(folder.glob("*SyncTensorsGraph*before_optimizations.txt"))]


def _operations(hlo):
    lines = [line.partition(" = ")[2] for line in hlo[hlo.index("\nENTRY") :].splitlines() if " = " in line]
    plain = [re.sub(r"/\*.*?\*/|\{[^}]*\}", "", line) for line in lines]
    found = [re.findall(r"^(?:\(.*?\)|\S+) [a-z-]+\(", line)[0] for line in plain]
    return Counter(line for line in found if not line.endswith(" tuple("))  # results may stand in another order


def test_too_little_memory_is_told_in_bytes():
    refused = RefusedError("RESOURCE_EXHAUSTED: Ran out of memory. Used 18.63G of 15.75G hbm. Exceeded by 2.88G.\nmore")
    assert refused.needed == 18.63 * 2**30
    assert refused.there == 15.75 * 2**30
    assert "more" not in str(refused)
    assert RefusedError("UNIMPLEMENTED: no such operator").needed == 0


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false"])
def test_a_python_without_libtpu_is_one_line(python):
    with pytest.raises(UserError, match=r"--compiler|lacks libtpu or jax: pip install -e '\.\[rehearse\]'"):
        Compiler(CHIP, python)


def test_a_second_rehearsal_waits_for_the_first(cache):
    with compiling.one_at_a_time(), pytest.raises(UserError, match="another rehearsal is going on"):
        compiling.one_at_a_time()


@with_libtpu
@pytest.mark.slow
def test_more_parameters_than_a_chip_takes_go_as_a_tuple_as_a_run_has_it(cache):
    """EfficientNet-B7's training step has 3,352, of which a v3 takes 3,294."""
    count = 3300
    given = "\n".join(f"  p{number} = f32[8] parameter({number})" for number in range(count))
    layout = ", ".join(["f32[8]{0}"] * count)
    hlo = f"HloModule many, entry_computation_layout={{({layout})->(f32[8]{{0}})}}\n\nENTRY main {{\n{given}\n"
    hlo += f"  sum = f32[8] add(p0, p{count - 1})\n  ROOT all = (f32[8]) tuple(sum)\n}}\n"
    compiled = Compiler(find_chip("v3-8")).compile(hlo, (0,), 1)
    assert compiled.memory["alias"] > 0
