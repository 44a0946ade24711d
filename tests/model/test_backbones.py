import pytest
import timm

from lightning_flowers.errors import UserError
from lightning_flowers.model.backbones import BACKBONES, timm_name


@pytest.mark.parametrize("name", BACKBONES)
def test_every_row_names_a_model_and_a_tag_that_timm_has(name):
    assert BACKBONES[name] in timm.list_models(pretrained=True)


def test_timms_own_names_pass():
    assert timm_name("resnet18") == "resnet18"
    assert timm_name("resnet18.a1_in1k") == "resnet18.a1_in1k"


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(UserError, match=r"--model.backbone=densnet201: .* did you mean densenet201"):
        timm_name("densnet201")
