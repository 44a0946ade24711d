"""What the curves show: read from the lines of the figure itself, and from the PNG."""

import math
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from lightning_flowers.report.curves import best_epoch, draw_curves
from lightning_flowers.report.style import INK, TRAIN, VAL, save, to_png
from lightning_flowers.run.epochs import Epoch

LOSS, ACCURACY, MACRO_F1, RATE = range(4)


def epoch(number, **scores):
    known = {"train_loss": 1 / number, "val_loss": 1.2 / number, "learning_rate": 1e-3}
    shares = {
        f"{split}_{name}": 1 - 1 / (number + 1) for split in ("train", "val") for name in ("accuracy", "macro_f1")
    }
    present = {f"{split}_macro_f1_present": 1 - 1 / (number + 1) for split in ("train", "val")}
    return Epoch.model_validate({"epoch": number, **known, **shares, **present, **scores})


def lines(figure, panel):
    """Points of each solid line of a panel, by its label."""
    drawn = figure.axes[panel].lines
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in drawn if line.get_linestyle() == "-"}


def titles(figure, panel):
    return figure.axes[panel].get_title("left"), figure.axes[panel].get_title("right")


def inked(figure):
    return [text for text in figure.findobj(Text) if text.get_text()]


def test_train_and_val_stand_in_one_panel_for_each_score():
    figure = draw_curves([epoch(1), epoch(2), epoch(3)])
    assert [titles(figure, panel)[0] for panel in range(4)] == ["loss", "accuracy", "macro F1", "learning rate"]
    for panel in (LOSS, ACCURACY, MACRO_F1):
        assert {"train", "val"} <= lines(figure, panel).keys()
    np.testing.assert_allclose(lines(figure, LOSS)["train"], [[1, 1], [2, 1 / 2], [3, 1 / 3]])
    np.testing.assert_allclose(lines(figure, ACCURACY)["val"][:, 1], [1 / 2, 2 / 3, 3 / 4])
    ((_, rate),) = lines(figure, RATE).items()
    np.testing.assert_allclose(rate[:, 1], 1e-3)
    colours = {str(line.get_label()): to_hex(line.get_color()) for line in figure.axes[LOSS].lines}
    assert (colours["train"], colours["val"]) == (TRAIN, VAL)


def test_the_best_epoch_is_the_earliest_of_the_highest_and_is_no_nan():
    scores = [math.nan, 0.3, 0.8, 0.8, 0.5, None]
    history = [epoch(number, val_macro_f1=score) for number, score in enumerate(scores, 1)]
    best = best_epoch(history)
    assert best is not None
    assert best.epoch == 3
    figure = draw_curves(history)
    assert titles(figure, MACRO_F1)[1] == "val 0.8000 in epoch 3, the best"
    assert titles(figure, LOSS)[1] == "val 0.4000 in epoch 3"
    for panel in (LOSS, ACCURACY, MACRO_F1):
        assert any(
            line.get_linestyle() == ":" and set(np.asarray(line.get_xdata())) == {3}
            for line in figure.axes[panel].lines
        )


def test_macro_f1_over_the_classes_present_is_dashed_where_it_is_another():
    def dashed(history):
        drawn = draw_curves(history).axes[MACRO_F1].lines
        return [str(line.get_label()) for line in drawn if line.get_linestyle() == "--"]

    assert dashed([epoch(1), epoch(2)]) == []
    assert dashed([epoch(1), epoch(2, val_macro_f1_present=0.99)]) == ["val, over the classes present"]


def test_the_legend_names_what_any_panel_has():
    def named(*history):
        (legend,) = draw_curves(history).legends
        return [text.get_text() for text in legend.get_texts()]

    assert named(epoch(1)) == ["train", "val"]
    assert named(epoch(1, train_macro_f1=None, train_macro_f1_present=None)) == ["train", "val"]
    assert named(epoch(1, val_macro_f1_present=0.9)) == ["train", "val", "val, over the classes present"]
    assert named(epoch(1, val_loss=None, val_accuracy=None)) == ["train", "val"]
    assert named(Epoch(epoch=1)) == []


def test_a_run_that_was_not_validated_has_no_val_and_no_best():
    nothing = dict.fromkeys(("val_loss", "val_accuracy", "val_macro_f1", "val_macro_f1_present"))
    figure = draw_curves([epoch(1, **nothing), epoch(2, **nothing)])
    for panel in (LOSS, ACCURACY, MACRO_F1):
        assert lines(figure, panel).keys() == {"train"}
        assert titles(figure, panel)[1] == ""


def test_epochs_without_validation_are_passed_over_and_what_is_no_number_leaves_a_gap():
    history = [epoch(1), epoch(2, val_loss=None), epoch(3), epoch(4, val_loss=math.inf), epoch(5, val_loss=math.nan)]
    drawn = lines(draw_curves(history), LOSS)["val"]
    assert drawn[:, 0].tolist() == [1, 3, 4, 5]
    assert np.isnan(drawn[:, 1]).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "history",
    [
        [epoch(1)],
        [],
        [Epoch(epoch=1)],
        [epoch(1, val_macro_f1=math.nan, val_loss=math.nan, train_loss=math.inf)],
        [epoch(number) for number in range(1, 1001)],
    ],
    ids=["one epoch", "none", "an epoch that lacks all", "no number", "1000 epochs"],
)
def test_all_kinds_of_histories_are_drawn_in_ink_without_a_box(tmp_path, history):
    figure = draw_curves(history)
    save(to_png(figure), tmp_path / "curves.png")
    assert {text.get_color() for text in inked(figure)} == {INK}
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    for panel in figure.axes:
        ticks = [tick for tick in panel.get_xticks() if panel.get_xlim()[0] <= tick <= panel.get_xlim()[1]]
        assert not history or all(float(tick).is_integer() for tick in ticks), ticks


def test_no_text_is_cut_off():
    figure = draw_curves([epoch(1, val_macro_f1_present=0.9, train_macro_f1_present=0.9), epoch(1000)])
    box = figure.get_tightbbox()
    assert 0 <= box.x0 < box.x1 <= figure.get_figwidth()
    assert 0 <= box.y0 < box.y1 <= figure.get_figheight()


def test_figures_need_no_torch():
    rooms = ", ".join(f"lightning_flowers.report.{name}" for name in ("curves", "matrix", "reliability", "gallery"))
    code = f"import sys, {rooms}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
