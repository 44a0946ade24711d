import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from lightning_flowers.evaluation.confusion import scores
from lightning_flowers.model.metrics import Counts

# Of a class with no true and no predicted image scikit-learn warns, and counts it 0 as we do.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def of_one_process(tensor):
    return tensor


@st.composite
def predictions(draw):
    classes = draw(st.integers(2, 12))
    true = draw(st.lists(st.integers(0, classes - 1), min_size=1, max_size=60))
    predicted = draw(st.lists(st.integers(0, classes - 1), min_size=len(true), max_size=len(true)))
    return classes, true, predicted


@settings(deadline=None)
@given(predictions())
def test_scores_equal_scikit_learns(case):
    classes, true, predicted = case
    found = scores(confusion_matrix(true, predicted, labels=range(classes)))
    all_labels = f1_score(true, predicted, average="macro", labels=range(classes))
    assert found.accuracy == pytest.approx(accuracy_score(true, predicted), abs=1e-6)
    assert found.macro_f1 == pytest.approx(all_labels, abs=1e-6)
    assert found.macro_f1_present == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-6)


def test_counts_over_batches_equal_scikit_learn_on_the_whole_without_padding():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 104, generator=generator)
    label = torch.randint(0, 104, (200,), generator=generator)
    mask = torch.rand(200, generator=generator) < 0.8
    loss = torch.nn.functional.cross_entropy(logits, label, reduction="none")
    counts = Counts(104)
    padded = torch.where(mask, label, -1)
    for rows in torch.arange(200).split(32):
        counts.update(logits[rows], padded[rows], mask[rows], loss[rows])
    mean_loss, found = counts.compute(of_one_process)

    true, predicted = label[mask].numpy(), logits[mask].argmax(1).numpy()
    wanted = f1_score(true, predicted, average="macro", labels=range(104))
    assert found.macro_f1 == pytest.approx(wanted, abs=1e-6)
    assert found.accuracy == pytest.approx(accuracy_score(true, predicted), abs=1e-6)
    probabilities = logits[mask].double().softmax(1).numpy()
    assert mean_loss == pytest.approx(log_loss(true, probabilities, labels=range(104)), abs=1e-6)


def test_a_padded_rows_broken_loss_does_not_count():
    counts = Counts(2)
    nan = torch.tensor([0.5, float("nan")])
    counts.update(torch.eye(2), torch.tensor([0, -1]), torch.tensor([True, False]), nan)
    mean_loss, found = counts.compute(of_one_process)
    assert (mean_loss, found.accuracy) == (0.5, 1.0)


def test_counts_of_two_processes_are_summed_before_the_division():
    counts = Counts(2)
    counts.update(torch.eye(2), torch.tensor([0, 0]), torch.tensor([True, True]), torch.tensor([1.0, 3.0]))
    mean_loss, found = counts.compute(lambda tensor: tensor * 2)
    assert (mean_loss, found.accuracy) == (2.0, 0.5)


def test_reset_forgets():
    counts = Counts(2)
    counts.update(torch.eye(2), torch.tensor([0, 0]), torch.tensor([True, True]), torch.tensor([1.0, 3.0]))
    counts.reset()
    mean_loss, found = counts.compute(of_one_process)
    assert mean_loss == 0.0
    assert np.isnan(found.accuracy)


def test_counts_are_no_part_of_a_checkpoint():
    assert not Counts(3).state_dict()
