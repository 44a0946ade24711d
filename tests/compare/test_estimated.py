"""A rehearsal's JSON beside runs."""

import json

import pytest

from lightning_flowers.__main__ import MISUSED, main

FACTS = {
    "backbone": "densenet201", "timm_name": "densenet201.tv_in1k", "trainable": True, "chip": "v5e-8", "size": 512,
    "batch": 128, "precision": "bf16-mixed", "records": {"train": 12753, "val": 3712},
    "graphs": [{"stage": "evaluation step", "seconds": 0.02}, {"stage": "training step", "seconds": 0.125}],
    "estimated": {"epochs": 20, "epoch": 13.2, "compiling": 700.0},
}  # fmt: skip


@pytest.fixture
def make_estimate(tmp_path):
    def make(name="rehearsed.json", **changes):
        path = tmp_path / name
        path.write_text(json.dumps({**FACTS, **changes}))
        return path

    return make


def test_an_estimate_is_a_marked_row_beside_runs_of_as_many_records(compare, make_run, make_estimate, tables, tmp_path):
    status, *_ = compare(make_estimate(), make_run("a"), f"--out={tmp_path}")
    out = (tmp_path / "compare.md").read_text("utf-8")
    ours, study, estimated = (tables(out)[0][number] for number in (0, 1, 2))
    assert (status, ours["data"], study["data"]) == (0, "clean", "same records")
    assert (estimated["data"], estimated["runs"], estimated["hardware"]) == (
        "estimated",
        "rehearsed.json",
        "v5e-8, bf16-mixed",
    )
    assert (estimated["s/epoch"], estimated["images/s"], estimated["compile s"]) == ("13.2", "1024.0", "700.0")
    assert (estimated["accuracy"], estimated["macro F1"]) == ("-", "-")
    fastest = tables(out)[1][-1]
    assert (fastest["hardware"], fastest["batch"]) == ("v5e-8, bf16-mixed", "128")


def test_estimates_alone_stand_beside_the_study(compare, make_estimate, tables, tmp_path):
    status, *_ = compare(make_estimate(), make_estimate("v3.json", chip="v3-8"), f"--out={tmp_path}")
    out = (tmp_path / "compare.md").read_text("utf-8")
    assert status == 0
    assert out.startswith("## 512 px, 12,753 train and 3,712 val records\n")
    assert [row["hardware"] for row in tables(out)[0]] == ["v5e-8, bf16-mixed", "TPU v3-8", "v3-8, bf16-mixed"]


def test_an_estimate_of_other_data_stands_by_itself(compare, make_run, make_estimate):
    _, out, _ = compare(make_run("a"), make_run("b", seed=1), make_estimate(size=224))
    assert "## Not comparable with the first table: 224 px, " in out


@pytest.mark.parametrize("change", [{"graphs": 3}, {"estimated": {}}, {"batch": "many"}, {"records": 7}])
def test_another_json_is_left_out(make_estimate, capsys, change):
    path = make_estimate(**change)
    assert main(["compare", str(path)]) == MISUSED
    assert f"{path}: not written by `rehearse --json`" in capsys.readouterr().err


def test_what_does_not_fit_has_no_estimate(make_estimate, capsys):
    facts = {name: value for name, value in FACTS.items() if name != "estimated"}
    path = make_estimate()
    path.write_text(json.dumps(facts))
    assert main(["compare", str(path)]) == MISUSED
    assert "the run does not fit v5e-8" in capsys.readouterr().err
