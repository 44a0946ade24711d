import math
from itertools import pairwise

import pytest

from lightning_flowers.model.schedule import starter, warmup_cosine


def test_starter_gives_the_notebooks_values_for_8_replicas():
    golden = [1e-5, 8.8e-5, 1.66e-4, 2.44e-4, 3.22e-4, 4e-4, 3.22e-4, 2.596e-4]
    assert [starter(epoch, 4e-4) for epoch in range(8)] == pytest.approx(golden, rel=1e-9)


def test_starter_tends_to_its_minimum():
    assert starter(100, 4e-4) == pytest.approx(1e-5, rel=1e-6)


def test_cosine_rises_over_the_warm_up_then_falls_to_nothing():
    factors = [warmup_cosine(step, total_steps=100, warmup_steps=10) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == 1.0 == max(factors)
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0, abs=1e-12)
    assert all(a < b for a, b in pairwise(factors[:11]))
    assert all(a > b for a, b in pairwise(factors[10:]))


def test_cosine_without_warm_up_starts_at_the_maximum():
    assert warmup_cosine(0, total_steps=4, warmup_steps=0) == 1.0
    assert warmup_cosine(2, total_steps=4, warmup_steps=0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


def test_cosine_stays_at_nothing_past_the_end():
    assert warmup_cosine(7, total_steps=4, warmup_steps=1) == pytest.approx(0.0, abs=1e-12)
