from pathlib import Path

import pytest

from lightning_flowers.compare.study import RESULTS, find_result, find_times
from lightning_flowers.model.backbones import BACKBONES
from lightning_flowers.run.results import Data, Run


def test_its_backbones_are_ours_but_our_small_default():
    assert {name: row.timm_name for name, row in RESULTS.items()} | {
        "tf_efficientnet_lite0": "tf_efficientnet_lite0.in1k"
    } == BACKBONES
    assert not RESULTS["tf_efficientnetv2_xl"].trainable
    assert max(row.val_accuracy for row in RESULTS.values()) == 0.9650


def test_a_backbone_is_found_by_our_name_and_by_timms():
    ours, timms = Run(path=Path(), backbone="xception"), Run(path=Path(), timm_name="legacy_xception.tf_in1k")
    assert find_result(ours)
    assert find_result(ours) == find_result(timms)
    assert find_result(Run(path=Path(), backbone="tf_efficientnet_lite0")) is None


@pytest.mark.parametrize(("size", "times"), [(224, [25, 220]), (512, [68]), (331, [])])
def test_densenet201_was_timed_on_two_kinds_of_hardware(size, times):
    run = Run(path=Path(), timm_name="densenet201.tv_in1k", trainable=True, data=Data(size=size))
    assert [time.seconds_per_epoch for time in find_times(run)] == times
