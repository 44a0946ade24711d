"""What the reliability diagram shows, read from its bars."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from sklearn.calibration import calibration_curve

from lightning_flowers.evaluation.calibration import expected_calibration_error, reliability, soften
from lightning_flowers.report.reliability import draw_reliability
from lightning_flowers.report.style import BLUE, GREY, INK, ORANGE, save, to_png


@pytest.fixture
def predicted():
    """Probabilities (500, 3) that are too sure of themselves, and labels."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet((0.3, 0.3, 0.3), 500).astype(np.float32)
    labels = np.where(rng.random(500) < 0.6, probabilities.argmax(1), rng.integers(0, 3, 500))
    return probabilities, labels


def bars(axes, colour):
    """(left, right, bottom, top) of each bar of one colour, from the left."""
    found = [
        patch for patch in axes.patches if colour in (to_hex(patch.get_facecolor()), to_hex(patch.get_edgecolor()))
    ]
    return np.array([patch.get_bbox().extents[[0, 2, 1, 3]] for patch in found])


def draw(probabilities, labels, temperature=2.0):
    before, after = reliability(probabilities, labels, 10), reliability(soften(probabilities, temperature), labels, 10)
    return draw_reliability(before, after)


def test_bars_show_accuracy_against_confidence(predicted):
    probabilities, labels = predicted
    figure = draw(probabilities, labels)
    top = probabilities.max(1)
    accuracy, confidence = calibration_curve(probabilities.argmax(1) == labels, top, n_bins=10)
    blue, gaps = bars(figure.axes[0], BLUE), bars(figure.axes[0], ORANGE)
    np.testing.assert_allclose(blue[:, 3], accuracy)
    np.testing.assert_allclose(np.sort(gaps[:, 2:], 1), np.sort(np.stack([accuracy, confidence], 1), 1))
    assert ((blue[:, 0] < confidence) & (confidence < blue[:, 1])).all()
    (diagonal,) = figure.axes[0].lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])


def test_the_histogram_has_every_record_once(predicted):
    figure = draw(*predicted)
    counts, _ = np.histogram(predicted[0].max(1), np.linspace(0, 1, 11))
    np.testing.assert_allclose(bars(figure.axes[2], GREY)[:, 3], counts / 500)
    np.testing.assert_allclose(bars(figure.axes[3], GREY)[:, 3].sum(), 1)


def test_before_and_after_stand_beside_each_other_with_their_errors(predicted):
    probabilities, labels = predicted
    figure = draw(probabilities, labels)
    errors = [
        expected_calibration_error(reliability(some, labels, 10)) for some in (probabilities, soften(probabilities, 2))
    ]
    assert errors[0] != errors[1]
    said = [(axes.get_title("left"), axes.get_title("right")) for axes in figure.axes[:2]]
    assert said == [
        ("probabilities as they are", f"expected calibration error {errors[0]:.4f}"),
        ("with the temperature", f"expected calibration error {errors[1]:.4f}"),
    ]
    assert not np.allclose(bars(figure.axes[0], BLUE)[-1], bars(figure.axes[1], BLUE)[-1])


@pytest.mark.parametrize("records", [0, 1, 500])
def test_empty_bins_are_empty_and_all_is_whole_and_in_ink(predicted, tmp_path, records):
    figure = draw(predicted[0][:records], predicted[1][:records])
    save(to_png(figure), tmp_path / "reliability.png")
    assert len(bars(figure.axes[0], BLUE)) == np.unique(np.ceil(predicted[0][:records].max(1) * 10)).size
    box = figure.get_tightbbox()
    assert 0 <= box.x0 < box.x1 <= figure.get_figwidth()
    assert 0 <= box.y0 < box.y1 <= figure.get_figheight()
    assert {text.get_color() for text in figure.findobj(Text) if text.get_text()} == {INK}
