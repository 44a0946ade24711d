import pytest

from lightning_flowers.errors import UserError
from lightning_flowers.rehearse.chips import CHIPS, find_chip


def test_a_chip_has_its_name():
    assert find_chip("v3-8") is CHIPS["v3-8"]


@pytest.mark.parametrize(("asked", "near"), [("v5-8", "did you mean .*v5e-8"), ("tpu", "use one of v2-8")])
def test_of_an_unknown_chip_those_near_are_named(asked, near):
    with pytest.raises(UserError, match=f"--chip={asked}: no such chip: {near}"):
        find_chip(asked)
