"""What may vary, as it is written on the command line."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_flowers.errors import UserError
from lightning_flowers.tune.space import read_space


def test_ranges_and_values_are_told_apart():
    varied = ["model.lr=1e-4..1e-2:log", "--data.batch_size=16..64", "model.dropout=0..0.5", "model.hidden=[]|[256]"]
    assert read_space(varied) == {
        "model.lr": FloatDistribution(1e-4, 1e-2, log=True),
        "data.batch_size": IntDistribution(16, 64),
        "model.dropout": FloatDistribution(0, 0.5),
        "model.hidden": CategoricalDistribution(["[]", "[256]"]),
    }


@pytest.mark.parametrize(
    ("varied", "said"),
    [
        ([], "give what may vary"),
        (["lr"], "give a setting with a range or values"),
        (["=1..2"], "give a setting with a range or values"),
        (["lr=1..2", "lr=1..3"], "given twice"),
        (["lr=2..1"], "from a lower to a higher number"),
        (["lr=1..inf"], "from a lower to a higher number"),
        (["lr=nan..1"], "from a lower to a higher number"),
        (["lr=0..1:log"], "above 0"),
        (["lr=a..b"], "from number to number"),
        (["lr=adam"], "two values or more"),
        (["lr=a|a"], "two values or more"),
        (["lr=a|"], "two values or more"),
    ],
)
def test_what_cannot_be_searched_is_refused(varied, said):
    with pytest.raises(UserError, match=said):
        read_space(varied)
