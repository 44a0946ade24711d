"""What computes the answers in torch's place gives the same ones, or is not taken."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_flowers.errors import UserError
from lightning_flowers.export.pictures import made_up
from lightning_flowers.serve import backends
from lightning_flowers.serve.backends import choose
from lightning_flowers.serve.schemas import Pictures


def test_openvino_answers_as_torch_does_in_batches_of_any_length(tiny):
    chosen, answers = choose(tiny, "openvino")
    assert chosen == "openvino"
    for count in (1, 7):
        pictures = np.stack([made_up(64, 64, seed) for seed in range(count)])
        np.testing.assert_allclose(answers(pictures), tiny.probabilities_of(pictures), atol=1e-5)


def test_other_answers_and_models_that_cannot_be_fall_back_to_torch(tiny, capsys, monkeypatch):
    monkeypatch.setattr(backends, "openvino_answers", lambda _: lambda pictures: tiny.probabilities_of(pictures) + 2e-5)
    assert choose(tiny, "auto") == ("torch", tiny.probabilities_of)
    assert "not openvino: does not answer as torch does: a probability differs by 2.0e-05" in capsys.readouterr().err
    with pytest.raises(UserError, match="does not answer as torch does"):
        choose(tiny, "openvino")
    ranks = replace(tiny, method="ranks")
    assert choose(ranks, "auto") == ("torch", ranks.probabilities_of)
    assert "a blend of ranks cannot be exported" in capsys.readouterr().err


def test_what_is_missing_is_left_out_and_named_where_it_is_wanted(tiny, capsys, monkeypatch):
    with pytest.raises(UserError, match="add --accelerator=cpu"):
        choose(replace(tiny, device=torch.device("meta")), "openvino")
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert choose(tiny, "auto")[0] == choose(tiny, "torch")[0] == "torch"
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="needs openvino: pip install"):
        choose(tiny, "openvino")


@pytest.mark.parametrize(
    "content",
    [
        '{"pictures":[' + "1," * 9000 + "1]}",
        "{" + ",".join(f'"{number}":1' for number in range(9000)) + "}",
    ],
    ids=["pictures", "keys"],
)
def test_a_million_wrong_pictures_or_keys_are_one_error(content):
    with pytest.raises(ValueError, match="pictures") as error:
        Pictures.model_validate_json(content)
    assert len(error.value.errors()) == 1  # pyright: ignore[reportAttributeAccessIssue]
