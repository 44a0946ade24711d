import pytest

from lightning_flowers.markdown import TERMINAL, join, markdown_table, number, text_table


def test_columns_are_of_one_width_and_numbers_stand_to_the_right():
    assert markdown_table(["model", "s"], [["a", "1.0"], ["longer", "10.25"]], right=["s"]) == (
        "| model  |     s |\n| ------ | ----: |\n| a      |   1.0 |\n| longer | 10.25 |"
    )


def test_a_cell_cannot_break_the_table():
    assert markdown_table(["a"], [["x | y\nz"]], right=[]).splitlines()[2] == "| x \\| y z |"


def test_a_terminals_table_is_wrapped_where_it_is_widest_and_no_line_is_too_long():
    names, marks = "run-one, " * 9, "a mark that is long; " * 4
    lines = text_table(["run", "s", "marks"], [[names, "1.0", marks], ["short", "10.0", ""]], right=["s"]).splitlines()
    assert max(map(len, lines)) <= TERMINAL
    assert lines[2].startswith("run-one, run-one, ")
    assert " ".join(line[: lines[0].index("s  marks")] for line in lines).count("run-one") == 9
    assert lines[-1].split() == ["short", "10.0"]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_a_dash(value):
    assert number(value, 2) == "-"


def test_parts_are_joined_with_commas():
    assert join([0, 1]) == "0, 1"
    assert join([]) == "-"
