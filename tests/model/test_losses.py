import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from lightning_flowers.errors import UserError
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.losses import TrainingLoss

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0], [0.0, 0.0, 3.0]])
LABEL = torch.tensor([0, 0, 2])
COUNTS = [90, 9, 1]


def test_cross_entropy_is_torchs():
    wanted = cross_entropy(LOGITS, LABEL, label_smoothing=0.1, reduction="none")
    assert torch.equal(TrainingLoss("cross_entropy", 0, 0.1, 3)(LOGITS, LABEL), wanted)


def test_focal_loss_takes_less_of_what_is_right():
    log = LOGITS.log_softmax(1)[torch.arange(3), LABEL]
    torch.testing.assert_close(TrainingLoss("focal", 0, 0, 3)(LOGITS, LABEL), -((1 - log.exp()) ** 2) * log)


def test_the_adjusted_loss_asks_more_of_small_classes():
    loss = TrainingLoss("logit_adjusted", 0, 0, 3)
    loss.count(COUNTS)
    shares = torch.tensor(COUNTS) / 100
    scaled = shares * LOGITS.exp()  # Menon et al., equation 10
    wanted = -(scaled / scaled.sum(1, keepdim=True)).log()[torch.arange(3), LABEL]
    torch.testing.assert_close(loss(LOGITS, LABEL), wanted)


def test_classes_weigh_by_their_effective_number_and_records_1_in_the_mean():
    loss = TrainingLoss("cross_entropy", 0.9, 0, 3)
    loss.count(COUNTS)
    effective = [(1 - 0.9**count) / (1 - 0.9) for count in COUNTS]  # Cui et al., equation 2
    ratio = loss.weights / loss.weights[2]
    assert ratio.tolist() == pytest.approx([effective[2] / each for each in effective])
    assert sum(count * float(weight) for count, weight in zip(COUNTS, loss.weights, strict=True)) == pytest.approx(100)
    plain = TrainingLoss("cross_entropy", 0, 0, 3)(LOGITS, LABEL)
    torch.testing.assert_close(loss(LOGITS, LABEL), plain * loss.weights[LABEL])


def test_a_class_without_records_is_no_infinity():
    loss = TrainingLoss("logit_adjusted", 0.99, 0, 3)
    loss.count([5, 0, 5])
    assert loss(LOGITS, torch.tensor([1, 1, 1])).isfinite().all()


@pytest.mark.parametrize("settings", [{"loss": "logit_adjusted"}, {"class_balance": 0.9}])
def test_the_data_s_classes_are_counted_for_a_fit(fit_python, settings):
    model = fit_python(**settings)
    share = model.loss.log_shares.exp()
    assert share.tolist() == pytest.approx([0.25] * 4)  # of the tiny petals
    assert not any("loss." in name for name in model.state_dict())


def test_classes_are_not_balanced_twice(fit_python):
    with pytest.raises(UserError, match=r"balance=0\.5: classes would be balanced twice"):
        fit_python(balance=0.5, class_balance=0.9)


@pytest.mark.parametrize(("name", "value"), [("class_balance", 1.0), ("class_balance", -0.1), ("drop_path", 1.0)])
def test_a_share_out_of_range_is_named(name, value):
    with pytest.raises(UserError, match=rf"--model\.{name}={value}: must be "):
        FlowerClassifier("test_resnet", num_classes=4, weights="none", **{name: value})


def test_evaluation_s_loss_is_cross_entropy_whatever_is_trained():
    model = FlowerClassifier("test_resnet", num_classes=3, weights="none", loss="focal").eval()
    batch = {
        "image": torch.zeros(2, 3, 64, 64, dtype=torch.uint8), "label": torch.tensor([0, 1]),
        "index": torch.arange(2), "mask": torch.tensor([True, True]),
    }  # fmt: skip
    with torch.no_grad():
        model.validation_step(batch, 0)  # pyright: ignore[reportArgumentType]
        wanted = cross_entropy(model(batch["image"]), batch["label"], reduction="sum")
    assert math.isclose(float(model.eval_counts.loss), float(wanted), rel_tol=1e-5)
