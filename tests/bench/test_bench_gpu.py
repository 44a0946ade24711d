"""The GPU bench, tiny and on the CPU: what it runs, what it counts, and where it goes on."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_flowers import hardware

from .gpu import __main__ as bench
from .gpu import clock, costs, jobs, runs, table, timm_script
from .gpu.results import Results
from .workers import HarnessError

# Says what timm's script says of six steps, and fails where it is not asked as that one would have to be.
SCRIPT = """
import logging, pathlib, sys
sys.modules.setdefault("timm", __import__("timm"))
flags = dict(each.split("=", 1) for each in sys.argv[1:] if "=" in each)
folders = sorted(pathlib.Path(flags["--data-dir"], "train").iterdir())
assert [len(list(each.iterdir())) for each in folders] == [6] * 4, "24 pictures of 4 classes"
assert flags["--batch-size"] == "4" and flags["--num-classes"] == "4" and "--torchcompile" not in sys.argv
for step, seconds in enumerate([9, 9, 9, 9, 0.5, 1.5]):
    logging.getLogger("train").warning(
        f"Train: 0 [{step:>4d}/6 ({100 * (step + 1) / 6:>3.0f}%)]  Loss: 4.98 (4.74)  Time: {seconds:.3f}s,   81.02/s  "
        "(19.532s,    0.20/s)  LR: 4.000e-04  Data: 0.100 (0.049)"
    )
"""
TINY = "--device=cpu --size=64 --batch=4 --steps=6 --rounds=1 --candidates=ours,timm --backbones=test_resnet --only"
CARD = {"device": "A", "versions": {"torch": "2"}, "flops": 1e12, "bandwidth": 1e9, "memory": None}


@pytest.fixture
def as_found():
    with hardware.as_found():
        yield


@pytest.fixture
def tiny(tiny_root, tmp_path, monkeypatch):
    """The arguments of a tiny bench on real shards, with a script in place of timm's."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    monkeypatch.setenv("BENCH_ROOT", str(tiny_root))
    monkeypatch.setenv("TIMM_TRAIN", str(script))
    return [*TINY.split(), "test_resnet", "frozen", f"--results={tmp_path / 'results.jsonl'}"]


@pytest.mark.filterwarnings("ignore")  # Lightning's, of a run that leaves nothing
def test_a_tiny_bench_runs_from_end_to_end_and_once_only(as_found, tiny, capsys):
    asked = []
    bench.main(tiny, lambda job, seconds: asked.append(job.name) or jobs.measure(job))
    first = capsys.readouterr().out
    found = json.loads(first.splitlines()[-1])
    row, frozen = found["backbones"]["test_resnet"], found["frozen"][0]
    assert asked == ["card", "ours", "timm", "frozen"]
    assert row["speeds"] == {"ours": row["speeds"]["ours"], "timm": 4.0, "ours-compiled": None, "timm-compiled": None}
    assert row["over_timm"][0] == pytest.approx(row["speeds"]["ours"] / 4)
    assert 0 <= row["waiting"] < 1
    assert row["epoch"] > 0
    assert (frozen["passes"], frozen["epochs"], frozen["pictures"]) == (52 / 51, 20, 51)  # one fills a batch up
    assert "test_resnet, frozen: 20 epochs in 1.02 forward passes" in first
    bench.main(tiny, lambda job, seconds: asked.append(job.name) or jobs.measure(job))
    assert asked[4:] == ["card"]
    capsys.readouterr()
    bench.main([*tiny, "--print"], no_job)
    again = json.loads(capsys.readouterr().out.splitlines()[-1])["backbones"]["test_resnet"]
    assert again["speeds"] == row["speeds"]


@pytest.mark.filterwarnings("ignore")
def test_the_demo_is_a_run_from_the_command_to_its_score(tiny_root, monkeypatch):
    monkeypatch.setattr(runs.petals, "ensure", lambda: tiny_root)
    model = {"backbone": "test_resnet", "weights": "none"}
    found = runs.demo(jobs.Job("demo", "cpu"), model=model, data={"root": str(tiny_root), "batch_size": 8})
    assert found["epochs"] == runs.DEMO_EPOCHS
    assert found["seconds"] > 0
    assert 0 <= found["macro_f1"] <= 1


def test_without_a_gpu_one_line_says_what_can_be_had(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(HarnessError, match=r"no GPU .*make bench-gpu ARGS='--device=cpu .*'$"):
        bench.main([], no_job)


def no_job(job, seconds):
    raise AssertionError(job)


class Machine:
    """Stands for a device: each speed takes as long as it is told, and a batch above `most` does not fit timm."""

    def __init__(self, most=8, **facts):
        self.asked, self.most, self.card = [], most, {**CARD, **facts}

    def __call__(self, job, seconds):
        if job.name == "card":
            return self.card
        self.asked.append((job.name, job.batch))
        fails = job.name == "timm-compiled"
        if fails:
            raise HarnessError("no compiler")
        return {"oom": True} if job.name == "timm" and job.batch > self.most else {"images_per_second": job.batch}


def measured(path, machine, *arguments):
    given = bench.parse(["--batch=32", "--device=cpu", "--size=64", "--only", "xception", *arguments])
    work = bench.Bench(given, Results(path), machine)
    work._root = "petals"
    work.measure_card()
    work.measure("xception")
    return work.results


def test_all_candidates_get_the_batch_that_all_can_have_and_samples_come_in_turns(tmp_path):
    machine = Machine()
    results = measured(tmp_path / "results", machine)
    ours, timm = ("ours", 8), ("timm", 8)
    compiled = [("ours-compiled", 8), ("timm-compiled", 8)]
    assert machine.asked == [
        ("ours", 32),
        ("timm", 32),
        ("ours", 16),
        ("timm", 16),
        ours,
        timm,
        *compiled,
        ours,
        timm,
        compiled[0],
    ]
    assert results.figure("xception", "ours", "images_per_second") == 8
    assert results.failed("xception", "timm-compiled") == "no compiler"
    assert "xception, timm-compiled: left out: no compiler" in table.markdown(results, ["xception"])
    assert table.figures(results, "xception").batch == 8


def test_what_another_device_has_measured_does_not_count(tmp_path):
    path, other = tmp_path / "results", Machine(device="B")
    measured(path, Machine(), "--candidates=ours")
    results = measured(path, other, "--candidates=ours")
    assert other.asked == [("ours", 32), ("ours", 32)]
    assert len(results.of("xception")) == 2
    assert len(Results(path)._all) == 6


def test_what_does_not_come_to_its_end_in_time_is_left_to_the_next_call(tmp_path):
    path, machine = tmp_path / "results", Machine(most=32)
    measured(path, machine, "--minutes=0")
    assert machine.asked == []
    measured(path, machine, "--candidates=ours", "--rounds=1")
    results = measured(path, machine, "--candidates=ours,timm", "--rounds=2")
    assert machine.asked == [("ours", 32), ("timm", 32), ("ours", 32), ("timm", 32)]
    assert len(results.of("xception", "ours")) == 2


def test_a_batch_that_came_before_the_device_was_done_made_nothing_wait(monkeypatch):
    now, done = iter(range(100)), iter([True, False, True])
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(now))
    watched = clock.Watched(["a", "b", "c"], lambda: next(done))
    assert list(watched) == ["a", "b", "c"]
    assert watched.waited == 2  # one for each of two
    assert (len(watched), watched.count("a")) == (3, 1)


def test_arithmetic_and_bytes_are_those_that_can_be_worked_out_by_hand():
    grouped = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
    images = torch.rand(2, 4, 8, 8)
    found = costs.of_a_picture(lambda it: grouped(it).mean((2, 3)), images)
    assert found["flops"] == 3 * 2 * 4 * 8 * 8 * 9
    with costs.Traffic() as traffic:
        images.view(-1).add(images.flatten())
    assert traffic.bytes == 3 * images.nbytes


def test_speeds_of_the_log_are_those_after_the_warm_up(monkeypatch):
    monkeypatch.delenv("TIMM_TRAIN", raising=False)
    assert timm_script.missing() == "TIMM_TRAIN names no train.py of timm's"
    job = jobs.Job("timm-compiled", "cuda", "xception", "petals", 512, 128, 24)
    given = timm_script.flags(job, 104)
    assert {"--model=legacy_xception.tf_in1k", "--batch-size=128", "--torchcompile", "--pin-mem"} <= set(given)


def test_the_study_is_what_an_epoch_is_held_against(tmp_path):
    results = Results(tmp_path / "results")
    results.keep(size=512)
    results.add({"part": "card", "name": "card", "batch": 0, **CARD})
    row = {"part": "xception", "batch": 128, "images_per_second": 1275.3, "val_images_per_second": 3712.0}
    results.add({**row, "name": "ours", "waiting": 0.01, "flops": 1e8, "bytes": 1e5})
    results.add({**row, "name": "timm", "images_per_second": 1000.0})
    found = table.figures(results, "xception")
    assert found.epoch == pytest.approx(11)
    assert found.over_study == pytest.approx(56.3 / 11)
    assert (found.of_matrix, found.of_bandwidth) == (pytest.approx(0.12753), pytest.approx(0.12753))
    assert table.as_json(results, ["xception"])["goals"]["xception"] == {
        "over_timm": True,
        "waiting": True,
        "over_study": True,
    }
    assert "| 1.28 |" in table.markdown(results, ["xception"]).replace("  ", "")


def test_nothing_measured_is_said_so(tmp_path, capsys):
    bench.main(["--print", f"--results={tmp_path / 'none'}"])
    assert capsys.readouterr().out.startswith(table.NOT_YET)


def test_pictures_are_drawn_once_for_all_batches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_ROOT", raising=False)
    monkeypatch.setattr(bench.pictures.petals, "encoded", lambda number, sizes: [b"%d" % number for _ in sizes])
    monkeypatch.setattr(bench.pictures, "ProcessPoolExecutor", Here)
    root = bench.pictures.find(64, 4, 2)
    assert [len(list((root / "tfrecords-jpeg-64x64" / split).iterdir())) for split in ("train", "val")] == [4, 4]
    monkeypatch.setattr(bench.pictures, "draw", pytest.fail)
    assert bench.pictures.find(64, 4, 2) == root == Path.cwd() / "build/bench-gpu/petals-64-8"


class Here(ExitStack):
    """Does at once what a pool of processes would."""

    def map(self, work, items, chunksize):
        return map(work, items)
