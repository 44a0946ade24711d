"""The order of the classes, and what the picture shows of a confusion matrix."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from lightning_flowers.data.sources.competition import competition_classes
from lightning_flowers.report.matrix import MAX_CLASSES, draw_confusion, order_classes
from lightning_flowers.report.style import BLUE, INK, ORANGE, save, to_png


@pytest.fixture
def groups():
    """12 classes; 0, 4, 8 are taken for each other, so are 1, 5, 9, and 2, 6, 10; 3, 7, 11 are always right."""
    confusion = np.diag(np.full(12, 20))
    for first in range(3):
        for here in range(first, 12, 4):
            for there in range(first, 12, 4):
                confusion[here, there] += 2 * (here != there)
    return confusion


def random_confusion(classes, records=2000, seed=0):
    rng = np.random.default_rng(seed)
    confusion = np.diag(rng.integers(0, 30, classes))
    np.add.at(confusion, tuple(rng.integers(0, classes, (2, records))), 1)
    return confusion


def texts(figure):
    return {text.get_text() for text in figure.findobj(Text)}


def names_of(axes):
    return [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks()]


def cells_of(figure):
    """RGBA float (rows, columns, 4) of the cells, and the classes' names in their order."""
    (axes,) = figure.axes
    (image,) = axes.images
    return np.asarray(image.get_array()), names_of(axes)


def test_classes_that_are_confused_stand_together_and_the_others_come_last(groups):
    order = order_classes(groups).tolist()
    assert order[9:] == [3, 7, 11]
    for start in (0, 3, 6):
        assert len({label % 4 for label in order[start : start + 3]}) == 1


def test_a_share_counts_and_not_the_number_of_records():
    confusion = np.diag([1000, 1000, 10, 10])
    confusion[0, 1] = confusion[0, 2] = confusion[1, 3] = 10
    confusion[2, 3] = confusion[3, 2] = 9
    order = order_classes(confusion).tolist()
    assert abs(order.index(2) - order.index(3)) == 1


def test_neighbours_are_nearer_than_clustering_alone_would_have_them():
    confusion = random_confusion(40, 300)
    wrong = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    distance = 1 - (wrong + wrong.T) / 2
    np.fill_diagonal(distance, 0)

    def length(order):
        return sum(distance[a, b] for a, b in pairwise(order))

    plain = leaves_list(linkage(squareform(distance), "average"))
    assert length(order_classes(confusion)) < length(plain)


@pytest.mark.parametrize("classes", [2, 3, 104, 300])
def test_each_class_stands_once_and_always_in_the_same_place(classes):
    confusion = random_confusion(classes)
    confusion[1] = confusion[:, 1] = 0  # without any record
    order = order_classes(confusion)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(classes))
    np.testing.assert_array_equal(order, order_classes(confusion.copy()))


@pytest.mark.parametrize("confusion", [np.zeros((3, 3), np.int64), np.diag([5, 0, 7])])
def test_without_a_mistake_classes_keep_their_own_order(confusion):
    assert order_classes(confusion).tolist() == [0, 1, 2]


def test_two_classes_that_are_confused_come_first():
    confusion = np.diag([5, 5, 5])
    confusion[2, 1] = 1
    assert order_classes(confusion).tolist() == [1, 2, 0]


def test_colours_are_shares_of_the_true_class_and_fade_into_the_paper():
    confusion = np.array([[99, 1, 0], [0, 6, 4], [0, 0, 5]])
    cells, names = cells_of(draw_confusion(confusion, ["a", "b", "c"]))
    of = {(true, taken): cells[names.index(true), names.index(taken)] for true in "abc" for taken in "abc"}
    np.testing.assert_allclose(of["a", "a"][:3], to_rgb(BLUE))
    np.testing.assert_allclose(of["a", "b"][:3], to_rgb(ORANGE))
    assert of["a", "c"][3] == 0  # nothing there
    assert 0.2 < of["a", "b"][3] < of["b", "c"][3] < of["b", "b"][3] < of["a", "a"][3] < of["c", "c"][3]
    assert of["c", "c"][3] == 1


def test_the_strongest_confusions_have_their_numbers(groups):
    groups[4, 8] = 17
    figure = draw_confusion(np.pad(groups, (0, 1), constant_values=1), [f"class {label}" for label in range(13)])
    (axes,) = figure.axes
    names = names_of(axes)
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    column, row = names.index("class 8"), names.index("class 4")
    assert numbers[column, row] == "17"
    assert "20" not in numbers.values()  # none on the diagonal


def test_few_classes_have_numbers_on_the_diagonal_too():
    figure = draw_confusion(np.array([[50, 3], [0, 40]]), ["a", "b"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"50", "3", "40"}


def test_classes_without_a_record_are_left_out_and_named():
    confusion = np.diag([3, 0, 5, 0])
    confusion[0, 3] = 1  # predicted, though never true
    figure = draw_confusion(confusion, ["rose", "tulip", "iris", "daisy"])
    assert names_of(figure.axes[0]) == ["rose", "daisy", "iris"]
    said = " ".join(" ".join(texts(figure)).split())
    assert "1 of 4 classes left out, without a true or a predicted record: tulip" in said


def test_of_very_many_classes_those_with_the_most_mistakes_are_shown():
    confusion = np.diag(np.full(MAX_CLASSES + 50, 9))
    confusion[np.arange(20, MAX_CLASSES), np.arange(21, MAX_CLASSES + 1)] = 1
    figure = draw_confusion(confusion, [f"class {label}" for label in range(MAX_CLASSES + 50)])
    shown = names_of(figure.axes[0])
    assert len(shown) == MAX_CLASSES
    assert {f"class {label}" for label in range(20, MAX_CLASSES + 1)} <= set(shown)
    assert f"the {MAX_CLASSES} of {MAX_CLASSES + 50} classes with the most mistakes" in " ".join(texts(figure))


def test_the_competitions_classes_can_all_be_read(tmp_path):
    figure = draw_confusion(random_confusion(104), competition_classes())
    assert 16 <= figure.get_figwidth() <= 20
    assert set(names_of(figure.axes[0])) == set(competition_classes())
    assert all(float(label.get_fontsize()) >= 6 for label in figure.axes[0].get_yticklabels())
    save(to_png(figure), tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size < 3e6


@pytest.mark.parametrize(
    "names",
    [
        ["rose $a$", "tulip $x_^"],
        [f"a flower whose name is very long and then goes on, number {number}" for number in range(9)],
        [str(number) for number in range(50)],
    ],
    ids=["dollars", "long", "many"],
)
def test_nothing_is_cut_off_and_all_is_in_ink(names):
    figure = draw_confusion(random_confusion(len(names), 100), names)
    box = figure.get_tightbbox()
    assert 0 <= box.x0 < box.x1 <= figure.get_figwidth()
    assert 0 <= box.y0 < box.y1 <= figure.get_figheight()
    assert {text.get_color() for text in figure.findobj(Text) if text.get_text()} == {INK}


def test_long_names_stay_apart_and_a_dollar_is_a_dollar():
    long = [f"a flower whose name is very long and then goes on, number {number}" for number in range(9)]
    assert len(set(names_of(draw_confusion(random_confusion(9), long).axes[0]))) == 9
    (axes,) = draw_confusion(random_confusion(50), [f"$a$ {number}" for number in range(50)]).axes
    assert not any(label.get_parse_math() for label in [*axes.get_xticklabels(), *axes.get_yticklabels()])
