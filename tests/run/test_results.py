import json
import math

import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.run.results import read_run

METRICS = """\
epoch,train_loss,val_loss,val_accuracy,val_macro_f1,seconds,images_per_second
1,2.5,2.0,0.3,0.25,90,10
2,1.5,1.0,0.8,0.75,30,20
3,1.0,1.1,0.7,0.65,40,30
"""


@pytest.fixture
def write(tmp_path):
    """Write a run's files; gives the folder."""

    def write(summary=None, metrics=None, config=None):
        for name, content in (("summary.json", summary), ("metrics.csv", metrics), ("config.yaml", config)):
            if content is not None:
                (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return tmp_path

    return write


def test_a_run_is_read_with_its_types(write):
    summary = {
        "status": "finished",
        "backbone": "xception",
        "epochs": 3,
        "best": {"epoch": 2, "val_loss": 1},
        "seed": 4,
    }
    summary |= {"hardware": {"device": "TPU v5e", "devices": 8, "compile_seconds": 7}, "data": {"size": 224}}
    run = read_run(write(summary, METRICS, "model:\n  lr: 0.5\n"))
    assert run.best is not None
    assert (run.backbone, run.seed, run.best.val_loss, run.finished, run.steady) == ("xception", 4, 1.0, True, True)
    assert (run.hardware.devices, run.hardware.compile_seconds, run.data.size) == (8, 7.0, 224)
    assert [row.val_accuracy for row in run.history] == [0.3, 0.8, 0.7]
    assert run.settings == {"model": {"lr": 0.5}}


def test_a_killed_run_is_what_its_metrics_say(write):
    stale = {"status": "running", "epochs": 0, "best": None, "best_epoch": None, "seconds_per_epoch": None}
    run = read_run(write(stale, METRICS))
    assert not run.finished
    assert run.best is not None
    assert (run.epochs, run.best_epoch, run.best.val_macro_f1) == (3, 2, 0.75)
    assert (run.seconds_first_epoch, run.seconds_per_epoch, run.images_per_second) == (90, 35, 25)


def test_a_summary_that_knows_more_is_believed(write):
    summary = {"status": "finished", "epochs": 3, "seconds_per_epoch": 35.123456, "best": {"epoch": 2, "val_loss": 1}}
    run = read_run(write(summary, METRICS))
    assert run.seconds_per_epoch == 35.123456


def test_an_empty_summary_is_a_run_of_which_nothing_is_known(write):
    run = read_run(write({}))
    assert (run.status, run.best, run.epochs, run.steady, run.settings, run.history) == (
        None,
        None,
        None,
        False,
        None,
        (),
    )


def test_a_run_of_one_epoch_is_not_steady(write):
    assert not read_run(write({"epochs": 1, "seconds_per_epoch": 50})).steady


def test_nan_is_kept_and_never_the_best(write):
    metrics = "epoch,val_loss,val_macro_f1,seconds\n1,nan,nan,5\n2,,0.5,5\n"
    run = read_run(write('{"status": "interrupted", "seconds_per_epoch": NaN}', metrics))
    assert run.history[0].val_loss is not None
    assert math.isnan(run.history[0].val_loss)
    assert (run.history[1].val_loss, run.best_epoch) == (None, 2)


@pytest.mark.parametrize(
    ("summary", "metrics", "said"),
    [
        (None, METRICS, "no summary.json in it"),
        ("{", None, "summary.json: damaged (Expecting"),
        ("[1]", None, "summary.json: damaged (not a JSON object): remove it"),
        ({"epochs": "many"}, None, "summary.json: damaged (epochs: "),
        ({"best": {"val_loss": 1}}, None, "summary.json: damaged (best.epoch: "),
        ({}, "epoch,seconds\n1,fast\n", "metrics.csv: damaged (seconds: "),
        ({}, "epoch,seconds\n1,2,3\n", None),
        ({}, "epoch,seconds\n\x00,1\n", "metrics.csv: damaged (epoch: "),
        ({}, "who knows\nwhat\n", "metrics.csv: damaged (no column epoch): remove it"),
        ({}, "epoch,seconds\n", None),
        ("[" * 100_000, None, "summary.json: damaged (maximum recursion"),
        ({}, "", "metrics.csv: damaged (empty): remove it"),
        ({}, METRICS[:-3], "metrics.csv: damaged (cut off in its last line): remove it"),
        ({}, "1,2.5\n", "metrics.csv: damaged (no column epoch): remove it"),
    ],
)
def test_damage_is_one_line_that_names_the_file(write, summary, metrics, said):
    folder = write(summary, metrics)
    if said is None:
        read_run(folder)
        return
    with pytest.raises(UserError) as caught:
        read_run(folder)
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_folder_is_told(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_run(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not a folder"):
        read_run(tmp_path / "file")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "empty"),
        ("a: 12", "cut off in its last line"),
        ("- 1\n", "no settings in it"),
        ("a: [\n", "while parsing"),
        ("\x00\n", "special characters are not allowed"),
        ("[" * 5000 + "\n", "maximum recursion"),
    ],
)
def test_damaged_settings_are_one_line_that_names_the_file(write, config, said):
    with pytest.raises(UserError, match=r"config\.yaml: damaged ") as error:
        read_run(write({}, config=config))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_file_is_said_to_be_none(write):
    (write({}) / "metrics.csv").mkdir()
    with pytest.raises(UserError, match=r"metrics\.csv: cannot be read: Is a directory: remove it"):
        read_run(write({}))
