import warnings

import numpy as np
from PIL import Image

from lightning_flowers.compare.groups import group_runs
from lightning_flowers.compare.plot import draw, drawable
from lightning_flowers.run.results import read_run


def colours(path):
    """The width and height of a picture, and how many colours it has."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    return *pixels.shape[1::-1], len(np.unique(pixels.reshape(-1, 3), axis=0))


def test_rows_are_drawn_in_colour(make_run, tmp_path):
    paths = [
        make_run("a"),
        make_run("slow", backbone="$x_", timm_name="x", seconds_per_epoch=6000.0),  # a log scale, and no mathematics
        *(make_run(f"n{number}", settings={"lr": number}) for number in range(12)),
        make_run("apart", data={"external": True}),
    ]
    rows = drawable(group_runs(map(read_run, paths)))
    assert len(rows) == 16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(tmp_path / "many.png", rows)
    width, height, shades = colours(tmp_path / "many.png")
    assert width > 500
    assert height > 500
    assert shades > 20


def test_a_single_run_is_drawn(make_run, tmp_path):
    rows = drawable(group_runs([read_run(make_run("a", backbone="x", timm_name="x"))]))
    draw(tmp_path / "one.png", rows)
    assert len(rows) == 1
    assert colours(tmp_path / "one.png")[2] > 20


def test_rows_without_score_or_time_are_not_drawn(make_run, tmp_path):
    runs = {"a": {"epochs": 1}, "b": {"best": None}, "c": {"seconds_per_epoch": float("nan")}}
    paths = [make_run(name, backbone="x", timm_name="x", **changes) for name, changes in runs.items()]
    assert drawable(group_runs(map(read_run, paths))) == []
    draw(tmp_path / "none.png", [])
    assert colours(tmp_path / "none.png")[0] > 500


def test_the_study_is_drawn_once_where_it_can_be_compared(make_run):
    paths = [make_run("a"), make_run("b", seed=1), make_run("c", data={"size": 224})]
    groups = group_runs(map(read_run, paths))
    assert sum(row.of_study for group in groups for row in group.rows) == 2
    assert [row.comparable for row in drawable(groups) if row.of_study] == [True]
