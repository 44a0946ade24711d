import pytest

from lightning_flowers.ensemble.result import parse_weights
from lightning_flowers.errors import UserError


def test_weights_are_a_choice_or_a_number_for_each_run():
    assert parse_weights("search", 3) == "search"
    assert parse_weights("equal", 3) == "equal"
    assert parse_weights("0.5, 3,0", 3) == (0.5, 3, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("best", "give auto, search, equal, or a number for each run, such as 0.5,0.3,0.2"),
        ("", "give auto, search, equal, or a number"),
        ("1,,1", "give auto, search, equal, or a number"),
        ("1,1", "2 weights for 3 runs: give one for each"),
        ("1,1,-1", "each must be 0 or more, and one of them over 0"),
        ("0,0,0", "each must be 0 or more, and one of them over 0"),
        ("1,nan,1", "each must be 0 or more"),
        ("1e308,1e308,1", "each must be 0 or more"),
        ("1,inf,1", "each must be 0 or more"),
    ],
)
def test_weights_that_cannot_be_are_refused(text, said):
    with pytest.raises(UserError, match=f"^--weights={text}: .*{said}"):
        parse_weights(text, 3)
