from lightning_flowers.model.backbones import BACKBONES
from lightning_flowers.report.study import RESULTS, find_result, find_times


def test_its_figures_are_those_of_the_table_of_backbones():
    ours = {name: (row.model, *row[2:7]) for name, row in RESULTS.items()}
    studied = {name: row.study for name, row in BACKBONES.items() if row.study}
    assert ours == {
        name: (row.model, row.val_loss, row.val_accuracy, row.seconds_per_epoch, row.trainable, row.epochs)
        for name, row in studied.items()
    }
    assert {name: row.timm_name for name, row in RESULTS.items()} == {
        name: BACKBONES[name].timm_name for name in studied
    }


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
