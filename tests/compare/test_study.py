from lightning_flowers.compare.study import RESULTS, find_result, find_times
from lightning_flowers.model.backbones import BACKBONES


def test_its_backbones_are_ours_but_our_small_default():
    assert {name: row.timm_name for name, row in RESULTS.items()} | {
        "tf_efficientnet_lite0": "tf_efficientnet_lite0.in1k"
    } == BACKBONES
    assert not RESULTS["tf_efficientnetv2_xl"].trainable
    assert max(row.val_accuracy for row in RESULTS.values()) == 0.9650


def test_a_backbone_is_found_by_our_name_and_by_timms():
    assert find_result("xception", None) is find_result("legacy_xception.tf_in1k") is RESULTS["xception"]
    assert find_result("tf_efficientnet_lite0", None) is None


def test_densenet201_was_timed_on_two_kinds_of_hardware():
    assert [(time.hardware, time.seconds_per_epoch) for time in find_times("densenet201.tv_in1k", 224)] == [
        ("TPU v3-8", 25),
        ("GPU", 220),
    ]
    assert [time.seconds_per_epoch for time in find_times("densenet201.tv_in1k", 512)] == [68]
    assert find_times("densenet201.tv_in1k", 331) == []
