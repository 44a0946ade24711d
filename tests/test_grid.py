import numpy as np

from lightning_flowers.grid import Shown, draw_grid

GREY = np.full((8, 8, 3), 128, np.uint8)


def titles(*given):
    axes = draw_grid([Shown(GREY, title) for title in given], 5).axes
    return [one.get_title() for one in axes]


def test_pictures_stand_in_rows_in_their_order():
    shown = [Shown(GREY + number, str(number)) for number in range(5)]
    figure = draw_grid(shown, 2)
    figure.draw_without_rendering()
    places = [axes.get_position() for axes in figure.axes]
    assert [place.x0 < 0.5 for place in places] == [True, False, True, False, True]
    above = [place.y0 for place in places[::2]]
    assert above == sorted(above, reverse=True)
    np.testing.assert_allclose([place.y0 for place in places[1::2]], above[:2])
    for number, axes in enumerate(figure.axes):
        np.testing.assert_array_equal(axes.images[0].get_array(), GREY + number)


def test_a_row_is_no_wider_than_its_pictures():
    assert draw_grid([Shown(GREY, "")], 5).get_figwidth() == draw_grid([Shown(GREY, "")], 1).get_figwidth()


def test_a_title_keeps_its_lines_and_long_ones_are_wrapped():
    assert titles("rose", "true: rose\ntaken for: tulip") == ["rose", "true: rose\ntaken for: tulip"]
    (long,) = titles("a name that is much longer than its picture is wide and still goes on\nend")
    assert [len(line) <= 25 for line in long.split("\n")] == [True] * 3
    assert long.split("\n")[1].endswith("...")
    assert long.endswith("\nend")


def test_titles_are_whole_above_their_pictures():
    figure = draw_grid([Shown(GREY, "true: W" + "w" * 60 + "\ntaken for: M" + "m" * 60)] * 6, 3)
    box = figure.get_tightbbox()
    assert 0 <= box.y0 < box.y1 <= figure.get_figheight()
    figure.draw_without_rendering()
    bottom = figure.axes[0].title.get_window_extent().y0
    assert bottom >= figure.axes[0].get_window_extent().y1


def test_a_dollar_is_a_dollar():
    (axes,) = draw_grid([Shown(GREY, "$x_")], 1).axes
    assert not axes.title.get_parse_math()
