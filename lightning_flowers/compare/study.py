"""The figures of the study that this project ports, to stand beside ours.

Source: the TensorFlow notebook's tables for the competition "Petals to the Metal". Val scores are accuracy: the study
gives no macro F1 on val.
"""

from pathlib import Path
from typing import NamedTuple

from lightning_flowers.run.epochs import Epoch
from lightning_flowers.run.results import Data, Hardware, Run

HARDWARE = "TPU v3-8"
TRAIN_RECORDS, VAL_RECORDS = 12_753, 3_712


class StudyResult(NamedTuple):
    """One row of the study's table: 512 px, on a TPU v3-8."""

    model: str
    timm_name: str  # of the backbone that stands for it here
    val_loss: float
    val_accuracy: float
    seconds_per_epoch: float
    trainable: bool
    epochs: int
    size: int = 512


RESULTS = {
    "densenet201": StudyResult("DenseNet201", "densenet201.tv_in1k", 0.2671, 0.9434, 68, True, 20),
    "xception": StudyResult("Xception", "legacy_xception.tf_in1k", 0.2928, 0.9418, 56.3, True, 20),
    "resnet152": StudyResult("ResNet152V2", "resnet152.a1h_in1k", 0.4193, 0.9133, 62, True, 20),
    "tf_efficientnet_b7_ns": StudyResult(
        "EfficientNetB7", "tf_efficientnet_b7.ns_jft_in1k", 0.2769, 0.9542, 107, True, 16
    ),
    "tf_efficientnetv2_xl": StudyResult(
        "EfficientNetV2XL", "tf_efficientnetv2_xl.in21k_ft_in1k", 0.1642, 0.9650, 63, False, 20
    ),
}
# Seconds of an epoch by timm's name, size and hardware, of its comparison of hardware; it does not name the GPU.
TIMES = {
    **{(row.timm_name, row.size, HARDWARE): row.seconds_per_epoch for row in RESULTS.values()},
    ("densenet201.tv_in1k", 224, HARDWARE): 25,
    ("densenet201.tv_in1k", 224, "GPU"): 220,
}


def find_result(run: Run) -> Run | None:
    """The study's run of the same backbone, as if it were one of ours; None without any."""
    found = next((row for key, row in RESULTS.items() if key == run.backbone or row.timm_name == run.timm_name), None)
    if found is None:
        return None
    best = Epoch(epoch=found.epochs, val_loss=found.val_loss, val_accuracy=found.val_accuracy)
    return Run(
        path=Path(),
        backbone=f"{found.model} (the study)",
        timm_name=found.timm_name,
        trainable=found.trainable,
        epochs=found.epochs,
        best=best,
        seconds_per_epoch=found.seconds_per_epoch,
        hardware=Hardware(device=HARDWARE),
        data=Data(size=found.size),
    )


def find_times(run: Run) -> list[Run]:
    """What the study measured with the backbone of one of ours, trained as far, at the same size; nothing but times."""
    result = find_result(run)
    if result is None or result.trainable is not run.trainable:
        return []
    return [
        run.model_copy(
            update={
                "hardware": Hardware(device=f"{hardware} (the study)"),
                "settings": None,
                "seconds_per_epoch": seconds,
                "images_per_second": None,
            }
        )
        for (*measured, hardware), seconds in TIMES.items()
        if measured == [result.timm_name, run.data.size]
    ]
