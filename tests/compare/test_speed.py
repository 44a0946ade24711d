import pytest

from lightning_flowers.compare.groups import group_runs, line_up
from lightning_flowers.run.results import read_run

GPU = {"device": "Tesla T4", "devices": 2, "precision": "16-mixed", "compile_seconds": None}
CPU = {"device": "AMD EPYC, 2 cores", "devices": 1, "precision": "32-true", "compile_seconds": None}
DEMO = {"records": {"train": 704, "val": 160}, "fingerprints": {"train": "d", "val": "d"}}


@pytest.fixture
def timings(make_run):
    """The line-up of runs given as the arguments of `make_run`, by name."""

    def timings(**runs):
        groups = group_runs(read_run(make_run(name, **changes)) for name, changes in runs.items())
        return [row for group in groups for rows in line_up(group) for row in rows]

    return timings


def test_tpu_gpu_and_cpu_stand_together_the_slowest_first(timings):
    found = timings(
        tpu={"data": DEMO, "seconds_per_epoch": 10.0},
        cpu={"data": DEMO, "seconds_per_epoch": 1000.0, "hardware": CPU, "status": "interrupted"},
        gpu={"data": DEMO, "seconds_per_epoch": 40.0, "hardware": GPU},
    )
    assert [(one.hardware, one.mean("seconds_per_epoch")) for one in found] == [
        ("1 x AMD EPYC, 2 cores, 32-true", 1000),
        ("2 x Tesla T4, 16-mixed", 40),
        ("8 x core of TPU v5e, bf16-mixed", 10),
    ]
    assert {one.batch_size for one in found} == {128}


def test_the_studys_times_stand_beside_ours_on_its_data(timings):
    found = timings(a={"data": {"size": 224}, "seconds_per_epoch": 11.0})
    assert [(one.hardware, one.mean("seconds_per_epoch"), not one.of_study) for one in found] == [
        ("GPU (the study)", 220, False),
        ("TPU v3-8 (the study)", 25, False),
        ("8 x core of TPU v5e, bf16-mixed", 11, True),
    ]


@pytest.mark.parametrize(
    "runs",
    [
        {"a": {"data": DEMO}},
        {"a": {"data": DEMO}, "b": {"data": DEMO, "settings": {"lr": 1}}},  # the same hardware
        {"a": {"data": DEMO}, "b": {"data": DEMO | {"size": 224}, "hardware": GPU}},
        {"a": {"data": DEMO}, "b": {"data": DEMO, "hardware": GPU, "trainable": False}},
        {"a": {"data": DEMO}, "b": {"data": DEMO, "hardware": GPU, "backbone": "x", "timm_name": "x"}},
        {"a": {"data": DEMO}, "b": {"data": DEMO, "hardware": GPU, "epochs": 1}},
        {"a": {"trainable": False}},  # the study trained the whole of it
    ],
)
def test_what_did_not_do_the_same_work_is_not_lined_up(timings, runs):
    assert timings(**runs) == []
