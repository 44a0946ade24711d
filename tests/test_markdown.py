import pytest

from lightning_flowers.markdown import join, markdown_table, number


def test_columns_are_of_one_width_and_numbers_stand_to_the_right():
    assert markdown_table(["model", "s"], [["a", "1.0"], ["longer", "10.25"]], right=["s"]) == (
        "| model  |     s |\n| ------ | ----: |\n| a      |   1.0 |\n| longer | 10.25 |"
    )


def test_a_cell_cannot_break_the_table():
    assert markdown_table(["a"], [["x | y\nz"]], right=[]).splitlines()[2] == "| x \\| y z |"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_a_dash(value):
    assert number(value, 2) == "-"


def test_parts_are_joined_with_commas():
    assert join([0, 1]) == "0, 1"
    assert join([]) == "-"
