"""The val pictures that are nearest to a photograph: found once, kept, and the right ones."""

import copy
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from lightning_flowers import feature_store
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.errors import UserError
from lightning_flowers.serve.app import build
from lightning_flowers.serve.settings import Settings
from lightning_flowers.serve.val_pictures import ValPictures

from .conftest import form


@pytest.fixture(scope="module")
def split(tiny_root):
    return open_split(tiny_root / "tfrecords-jpeg-64x64/val", 64, 4, labelled=True)


def look_at_all(val):
    while not val.ready:
        val.look()
    return val


def told(asking):
    """What the server says of its neighbours, once all val pictures are known."""
    until = time.monotonic() + 20
    while (found := asking.get("/v1/model").json()["neighbours"])["known"] < found["pictures"]:
        assert time.monotonic() < until
    return found


def test_a_server_tells_the_nearest_of_val(tiny, caches, split):
    with TestClient(build(tiny, Settings(), ValPictures(tiny, 0, 3))) as asking:
        assert told(asking) == {"shown": 3, "pictures": 11, "known": 11}
        photograph = bytes(split.image_bytes(4))
        (answer,) = asking.post("/v1/predict?neighbours=true", files=form(photograph)).json()["answers"]
        first, *others = answer["neighbours"]
        assert first["similarity"] == pytest.approx(1, abs=1e-3)
        assert (first["label"], first["name"]) == (split.label(4), f"flower {split.label(4)}")
        assert [near["similarity"] for near in others] == sorted((near["similarity"] for near in others), reverse=True)
        shown = tiny.read(asking.get(f"/v1/val/{first['number']}").content).astype(int)
        distances = [np.abs(shown - split[position].picture).mean() for position in range(11)]
        assert np.argmin(distances) == 4
        (answer,) = asking.post("/v1/predict", files=form(photograph)).json()["answers"]
        assert answer["neighbours"] is None
        assert asking.get("/v1/val/11").status_code == asking.get("/v1/val/-1").status_code == 404


def test_they_are_those_of_the_greatest_cosine(tiny, caches, split):
    val = look_at_all(ValPictures(tiny, 0, 4))
    pictures = np.stack([split[position].picture for position in range(len(split))])
    features = tiny.features_of(pictures)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    # Nothing of a black picture was learnt by heart.
    black = np.zeros((64, 64, 3), np.uint8)
    cosines = sorted(features @ tiny.features_of(black[None])[0], reverse=True)[:4]
    np.testing.assert_allclose([near.similarity for near in val.nearest(black)], cosines, atol=1e-3)


def test_of_a_blend_the_cosine_is_the_mean_by_weight(tiny):
    (member,) = tiny.members
    two = replace(tiny, members=(replace(member, weight=0.25), replace(member, size_px=32, weight=0.75)))
    small = replace(tiny, members=(replace(member, size_px=32),))
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    one, other = tiny.features_of(noise), small.features_of(np.stack([small_of(picture) for picture in noise]))
    expected = 0.25 * one[0] @ one[1] + 0.75 * other[0] @ other[1]
    found = two.features_of(noise)
    assert found[0] @ found[1] == pytest.approx(expected, abs=1e-5)


def small_of(picture):
    """As members of a smaller size see it."""

    from lightning_flowers.model.views import resize

    return resize(torch.from_numpy(picture).permute(2, 0, 1)[None], 32)[0].permute(1, 2, 0).numpy()


def test_they_are_found_once_for_each_model_and_data(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "platformdirs", SimpleNamespace(user_cache_dir=lambda name: tmp_path / name))
    begun = look_at_all(ValPictures(tiny, 0, 3))
    black = np.zeros((64, 64, 3), np.uint8)
    assert ValPictures(tiny, 0, 3).nearest(black) == begun.nearest(black)
    assert ValPictures(tiny, 0, 5).ready
    (member,) = tiny.members
    other = copy.deepcopy(member.model)
    torch.nn.init.zeros_(next(other.parameters()))
    assert ValPictures(replace(tiny, members=(replace(member, model=other),)), 0, 3).known == 0
    (file,) = (tmp_path / "lightning_flowers/features").iterdir()
    file.write_bytes(file.read_bytes()[:200])
    assert ValPictures(tiny, 0, 3).known == 0


def test_a_run_whose_data_are_gone_has_none(tiny, tiny_run, tmp_path):
    moved = Path(shutil.copytree(tiny_run, tmp_path / "moved"))
    summary = json.loads((moved / "summary.json").read_text())
    summary["data"]["root"] = str(tmp_path / "nowhere")
    (moved / "summary.json").write_text(json.dumps(summary) + "\n")
    (moved / "config.yaml").unlink()  # where it says what it was asked for
    with pytest.raises(UserError, match="nowhere: no such folder") as error:
        ValPictures(replace(tiny, path=moved), 3, 3)
    assert "--data.root" not in str(error.value)


def test_where_they_fail_the_server_does_without(tiny, caches, capsys, monkeypatch):
    val = ValPictures(tiny, 0, 2)
    monkeypatch.setattr(val, "known", 0)
    monkeypatch.setattr(val, "look", lambda: 1 / 0)
    with TestClient(build(tiny, Settings(), val)) as asking:
        until = time.monotonic() + 20
        while asking.get("/v1/model").json()["neighbours"] is not None:
            assert time.monotonic() < until
        assert asking.get("/v1/val/0").status_code == 404
    assert capsys.readouterr().err == "neighbours none: division by zero\n"
