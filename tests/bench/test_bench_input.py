import json
import sys
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from . import cpu, petals, report, workers
from .__main__ import PLACES, Bench, Place, parse
from .protocol import Job, Sample
from .workers import HarnessError, Worker, take

TESTS = Path(__file__).parents[1]
JOB = Job(folder="", indices="", size=64, batch_size=4, threads=2, seconds=0.05)

TOY = """
import itertools, sys, time
from bench.protocol import drawn_from, serve

def batches():
    for number in itertools.count():
        time.sleep(0.002)
        yield 4

def broken(until):
    raise ValueError("no more petals")

serve({"toy": drawn_from(batches()), "broken": broken}, {"toys": "1.0"}, 0.05, sys.stdin, sys.stdout)
"""


@pytest.fixture
def worker():
    worker = start_toy()
    worker.greet()
    yield worker
    worker.close()


def start_toy(code=TOY):
    return Worker([sys.executable, "-c", code], {"PYTHONPATH": str(TESTS)})


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE", 0.0)


def summary(speed):
    return report.summarize([Sample(int(speed * 10), 10.0, 20.0)])


def test_a_worker_times_its_candidates(worker):
    assert worker.candidates == ["toy", "broken"]
    assert worker.versions == {"toys": "1.0"}
    for _ in range(2):
        sample = worker.sample("toy")
        assert sample.images % 4 == 0
        assert 0.05 <= sample.seconds < 5
        assert 0 < sample.images / sample.seconds < 2000


def test_a_failing_candidate_is_told_and_its_worker_goes_on(worker):
    with pytest.raises(HarnessError, match="ValueError: no more petals"):
        worker.sample("broken")
    assert worker.sample("toy").images


def test_a_worker_that_ends_is_an_error():
    worker = start_toy("raise SystemExit(3)")
    with pytest.raises(HarnessError, match="no answer"):
        worker.greet()
    with pytest.raises(HarnessError, match="no answer"):
        worker.sample("toy")
    worker.close()


def test_disturbed_samples_are_taken_anew_and_the_least_disturbed_counts(worker, monkeypatch):
    busy = iter([0.0, 9e3, 9e3, 9.1e3, 2e4, 2.3e4, 3e4, 3.2e4])
    monkeypatch.setattr(workers, "busy_seconds", lambda: next(busy))
    taken = take(worker, "toy")
    assert taken.dropped == 3
    assert 10 < taken.foreign < 100 / 0.05


def test_what_an_undisturbed_machine_gives_is_taken_at_once(worker, monkeypatch):
    monkeypatch.setattr(workers, "busy_seconds", lambda: 0.0)
    assert take(worker, "toy")[1:] == (0.0, 0)


def test_every_round_has_every_candidate(monkeypatch):
    monkeypatch.setattr(workers, "busy_seconds", lambda: 0.0)
    monkeypatch.setattr("bench.__main__.start", lambda module, environment, job: start_toy())
    bench = Bench(JOB, ["toy"])
    monkeypatch.setitem(PLACES, Place("toys", ".venv"), ("toy", "broken"))
    bench.run(3)
    assert {name: len(samples) for name, samples in bench.samples.items()} == {"toy": 3}
    assert bench.versions == {"toys": "1.0"}
    assert bench.memory > 1e6


@pytest.mark.parametrize("optional", [True, False])
def test_only_an_optional_peer_may_be_missing(monkeypatch, optional):
    lacking = 'print(\'{"error": "ImportError: no DALI"}\')'
    monkeypatch.setattr("bench.__main__.start", lambda module, environment, job: start_toy(lacking))
    monkeypatch.setitem(PLACES, Place("toys", ".venv", optional), ("toy",))
    bench = Bench(JOB, ["toy"])
    if optional:
        bench.run(1)
        assert bench.left_out == {"toy": "ImportError: no DALI"}
        assert bench.samples == {}
    else:
        with pytest.raises(HarnessError, match="no DALI"):
            bench.run(1)


def test_medians_are_over_samples():
    samples = [Sample(images, 2.0, cpu) for images, cpu in [(200, 4.0), (100, 1.0), (900, 3.0)]]
    assert report.summarize(samples) == (100.0, 50.0, 450.0, 100.0)


def test_ratios_are_ours_over_theirs_and_null_where_one_is_missing():
    speeds = {"ours": 900, "pure_decode": 1000, "obvious": 150, "cached_flips": 700, "cache_memcpy": 1400}
    summaries = {name: summary(speed) for name, speed in speeds.items()}
    assert report.ratios(summaries) == {
        "pure_decode": 0.9,
        "tfdata_tuned": None,
        "tfdata_kernel": None,
        "obvious": 6.0,
        "dali": None,
        "cache_memcpy": None,
        "cache_memcpy_flips": 0.5,
        "fresh_memcpy": None,
        "fresh_memcpy_flips": None,
    }


def test_the_table_shows_the_fastest_first_what_is_left_out_and_what_was_missed():
    lines = report.table({"ours": summary(900), "pure_decode": summary(1000)}, {"dali": "no wheel"}).splitlines()
    assert lines[1].split() == ["pure_decode", "1000.0", "1000.0", "1000.0", "500.0"]
    assert lines[2].startswith("ours ")
    assert lines[3].split() == ["dali", "left", "out:", "no", "wheel"]
    assert ["pure_decode", "0.900", "0.95", "missed", "0.900"] in [line.split() for line in lines]


def test_the_json_line_holds_the_ratios_of_each_size():
    summaries = {"ours": summary(900), "obvious": summary(150)}
    found = json.loads(json.dumps(report.as_json(5, {512: summaries, 224: {}}, {"dali": "no wheel"}, {"cores": 2})))
    assert found["ratios"]["obvious"] == 6.0
    assert found["ratios_224"]["obvious"] is None
    assert found["ratios_per_cpu_second"]["512"]["obvious"] == 6.0
    assert found["images_per_second"]["512"]["ours"]["median"] == 900.0
    assert (found["rounds"], found["cores"], found["left_out"]) == (5, 2, {"dali": "no wheel"})


def test_cpu_time_and_memory_of_this_process_are_seen():
    pid, start, busy = cpu.os.getpid(), cpu.tree_seconds(cpu.os.getpid()), cpu.busy_seconds()
    while cpu.tree_seconds(pid) < start + 0.1:
        pass
    assert cpu.busy_seconds() - busy > 0.05
    assert cpu.tree_bytes(pid) > 1e6


def test_drawn_pictures_weigh_as_much_as_photographs():
    by_size = zip(*(petals.encoded(number) for number in range(3)), strict=True)
    for size, row, (least, most) in zip(petals.SIZES, by_size, [(100e3, 220e3), (15e3, 30e3)], strict=True):
        assert least < np.mean([len(image) for image in row]) < most
        assert {simplejpeg.decode_jpeg_header(image)[:3] for image in row} == {(size, size, "YCbCr")}


def test_unknown_candidates_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse(["--only", "ours,theirs"])
    assert "no such candidate: theirs" in capsys.readouterr().err
    assert parse(["--only", "ours,dali", "--sizes", "224"]).only == ["ours", "dali"]
