from dataclasses import replace

import numpy as np
import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.report.write import write_report


def missing(page):
    return [text for _, text in page.all("li") if text.startswith("Pictures")]


def photographs(page):
    return [one for one, _ in page.all("img") if one["src"].startswith("data:image/jpeg;base64,")]


def test_pictures_come_from_where_the_data_lie(make_run, predict, petals_root, read_page):
    run = make_run(predictions=predict(), data={"root": str(petals_root)})
    written = write_report(run)
    assert written[-1] == run / "report.html"
    page = read_page(run)
    assert len(photographs(page)) >= 24
    assert missing(page) == []


def test_data_that_lie_elsewhere_now_are_named(make_run, predict, petals_root, read_page):
    run = make_run(predictions=predict(), data={"root": "/not/here"})
    write_report(run)
    assert missing(read_page(run)) == ["Pictures: /not/here: no such folder: give --data_root=FOLDER"]
    assert photographs(read_page(run)) == []
    write_report(run, str(petals_root))
    assert missing(read_page(run)) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"root": "https://me:secret@host/petals"}, "https://...@host/petals: a URL"),
        ({}, "summary.json does not say where the data lie"),
        ({"root": "{petals}", "size": None}, "summary.json does not say where the data lie"),
        ({"root": "{petals}", "size": 99}, "has no shards of that size, only of 32 px"),
    ],
)
def test_pictures_that_cannot_be_had_are_missing(make_run, predict, petals_root, read_page, data, said):
    root = data.get("root", "").format(petals=petals_root)
    run = make_run(predictions=predict(), data={**data, **({"root": root} if root else {})})
    write_report(run)
    (line,) = missing(read_page(run))
    assert said in line
    assert "--data." not in line


@pytest.mark.parametrize("root", ["/not/here", "s3://bucket/petals", "/"])
def test_a_wrong_flag_is_a_mistake(make_run, predict, root):
    run = make_run(predictions=predict(), data={"root": "/there"})
    with pytest.raises(UserError, match=f"^--data_root={root}"):
        write_report(run, root)
    assert not (run / "report.html").exists()


def test_records_that_are_not_there_are_told_and_shown_without_a_picture(make_run, predict, petals_root, read_page):
    predictions = predict()
    ids = np.where(np.arange(12) == 3, "gone", predictions.ids)
    run = make_run(predictions=replace(predictions, ids=ids), data={"root": str(petals_root)})
    write_report(run)
    page = read_page(run)
    (line,) = missing(page)
    assert line.startswith("Pictures of 1 of 12 records: not in ")
    assert len([text for _, text in page.all("p") if text == "no picture"]) >= 2


def test_without_any_of_the_records_there_is_no_gallery(make_run, predict, petals_root, read_page):
    predictions = replace(predict(), ids=np.array([f"gone{number}" for number in range(12)]))
    run = make_run(predictions=predictions, data={"root": str(petals_root)})
    write_report(run)
    assert missing(read_page(run))[0].startswith("Pictures of 12 of 12 records")
