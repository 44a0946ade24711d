"""Every figure of a report equals what an independent script makes of the same predictions."""

import csv
import json

import pytest

from lightning_flowers.report.write import write_report

SCORES = ("macro-f1", "macro-f1-present", "accuracy", "loss")
CALIBRATION = ("temperature", "ece-before", "ece-after", "nll-before", "nll-after")


SYNTHETIC = {"few classes": (200, 5, 0, 2.5), "many classes, most of them absent": (60, 104, 3, 1.5)}
SYNTHETIC["few records"] = (30, 3, 1, 0.4)


@pytest.fixture(scope="module", params=SYNTHETIC)
def run(request, write_run, predict, tmp_path_factory):
    predictions = predict(*SYNTHETIC[request.param])
    path = write_run(tmp_path_factory.mktemp("runs") / "run", predictions, data={"class_names": [], "classes": None})
    write_report(path)
    return path


@pytest.fixture(scope="module")
def wanted(run, recompute):
    return recompute(run / "predictions" / "val.npz")


def test_scores_and_calibration_of_the_page(run, wanted, read_page):
    page = read_page(run)
    for key in (*SCORES, *CALIBRATION):
        text = page.by_id(key)[2]
        assert float(text) == pytest.approx(wanted[key], rel=1e-3 if key in CALIBRATION else 0, abs=1e-4), key


def test_the_classes(run, wanted, read_page):
    with (run / "classes.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = ("precision", "recall", "f1", "support")
    for label, row in enumerate(rows):
        assert (row["class"], row["name"]) == (str(label), names_of(run)[label])
        assert [float(row[name]) for name in names] == pytest.approx(wanted["classes"][label].tolist())
        assert int(row["predicted"]) == wanted["predicted"][label]
    assert len(rows) == len(wanted["predicted"])
    shown = table_rows(read_page(run), "classes-table")
    assert sorted(row[:7] for row in shown) == sorted(
        [
            row["name"],
            row["class"],
            *(f"{float(row[name]):.4f}" for name in names[:3]),
            row["support"],
            row["predicted"],
        ]
        for row in rows
    )


def test_the_strongest_confusions(run, wanted, read_page):
    pairs = wanted["pairs"]
    shown = [
        (int(attributes["data-label"]), int(attributes["data-predicted"]), int(cells[2]), int(cells[3]))
        for attributes, cells in rows_with("data-predicted", read_page(run))
    ]
    assert [records for *_, records, _ in shown] == sorted(pairs.values(), reverse=True)[:20]
    for true, predicted, records, support in shown:
        assert records == pairs[true, predicted]
        assert support == wanted["confusion"][true].sum()


@pytest.mark.parametrize("which", ["worst", "unsure"])
def test_worst_and_least_sure_records(run, wanted, read_page, which):
    shown = figures(read_page(run), f"{which}-records")
    positions = wanted[which][: len(shown)]
    assert [one["data-id"] for one in shown] == [str(wanted["ids"][position]) for position in positions]
    assert len(shown) == 12
    for one, position in zip(shown, positions, strict=True):
        row, label = wanted["probabilities"][position], wanted["labels"][position]
        assert (int(one["data-label"]), int(one["data-other"])) == (label, row.argmax())
        assert float(one["data-probability"]) == pytest.approx(row[label])
        assert float(one["data-other-probability"]) == pytest.approx(row.max())


def test_suspects_are_records_whose_label_is_beaten(run, wanted):
    with (run / "suspects.csv").open(newline="") as lines:
        suspects = list(csv.DictReader(lines))
    positions = {identity: position for position, identity in enumerate(wanted["ids"].tolist())}
    for suspect in suspects:
        position = positions[suspect["id"]]
        row, label = wanted["probabilities"][position], wanted["labels"][position]
        assert (int(suspect["label"]), int(suspect["suggested"])) == (label, row.argmax())
        assert float(suspect["probability"]) == pytest.approx(row[label])
        assert float(suspect["suggested_probability"]) == pytest.approx(row.max())
        assert row.max() > row[label]


def test_the_summary_has_the_calibration_and_keeps_the_rest(run, wanted):
    summary = json.loads((run / "summary.json").read_text())
    found = summary["calibration"]
    figures = (f"{name}_{when}" for name in ("nll", "ece") for when in ("before", "after", "cross_validated"))
    assert {*found} == {"temperature", *figures}
    for key in CALIBRATION:
        assert found[key.replace("-", "_")] == pytest.approx(wanted[key], rel=1e-3, abs=1e-4)
    assert summary["backbone"] == "densenet201"


def names_of(run):
    """The classes' names, as the summary has them; else numbers."""
    return json.loads((run / "summary.json").read_text())["data"]["class_names"] or [f"class {n}" for n in range(104)]


def table_rows(page, identity):
    """The cells' texts of each row of a table's body."""
    tags = [tag for tag, *_ in page.elements]
    start = next(n for n, (_, attributes, _) in enumerate(page.elements) if attributes.get("id") == identity)
    rows = []
    for tag, _, text in page.elements[tags.index("tbody", start) + 1 :]:
        if tag == "tr":
            rows.append([])
        elif tag in ("th", "td"):
            rows[-1].append("".join(text).strip())
        else:
            break
    return rows


def rows_with(attribute, page):
    """Attributes and cells of the rows that have an attribute."""
    found = []
    for tag, attributes, text in page.elements:
        if tag == "tr":
            found.append((attributes, []))
        elif tag in ("th", "td") and found:
            found[-1][1].append("".join(text).strip())
    return [(attributes, cells) for attributes, cells in found if attribute in attributes]


def figures(page, gallery):
    """The attributes of each figure of a gallery."""
    start = next(n for n, (_, attributes, _) in enumerate(page.elements) if attributes.get("id") == gallery)
    found = []
    for tag, attributes, _ in page.elements[start + 1 :]:
        if tag == "figure":
            found.append(attributes)
        if tag in ("h2", "section"):
            break
    return found
