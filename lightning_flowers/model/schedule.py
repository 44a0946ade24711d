"""Learning-rate schedules as pure functions."""

import math

_LEAST_LR, _RAMP_UP, _DECAY = 1e-5, 5, 0.8  # of the starter notebook: at first and in the end, epochs, by epoch


def warmup_cosine(step: int, total_steps: int, warmup_steps: int) -> float:
    """Factor of the maximal learning rate: linear over `warmup_steps`, then half a cosine down to 0 at `total_steps`.

    Args:
        step: optimizer steps done, from 0.
        total_steps: optimizer steps of the whole run, at least 1.
        warmup_steps: at most `total_steps`.

    Returns:
        In 0..1. (Loshchilov & Hutter, SGDR, https://arxiv.org/abs/1608.03983, eq. 5, one period.)
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1.0)
    return 0.5 * (1 + math.cos(math.pi * progress))


def head_first(step: int, head_steps: int, total_steps: int, warmup_steps: int) -> float:
    """Factor of the maximal learning rate where the head alone is trained first: `warmup_cosine` once for it, and once
    for all that is trained after it; either warms up for half of its steps at most. (Kumar et al. 2022, LP-FT,
    arXiv:2202.10054, train in these two phases.)

    Args:
        step: optimizer steps done, from 0.
        head_steps: those of the head alone; 0 is `warmup_cosine` over all of the run.
        total_steps: of the whole run, more than `head_steps`.
        warmup_steps: of each phase.

    Returns:
        In 0..1.
    """
    begun, end = (0, head_steps) if step < head_steps else (head_steps, total_steps)
    return warmup_cosine(step - begun, end - begun, min(warmup_steps, (end - begun) // 2))


def starter(epoch: int, max_lr: float) -> float:
    """Learning rate of an epoch in the competition's starter notebook: a linear ramp, then exponential decay.

    Args:
        epoch: from 0.
        max_lr: reached at epoch 5; the notebooks take 5e-5 times the number of TPU cores.

    Returns:
        The learning rate (not a factor of it).
    """
    if epoch < _RAMP_UP:
        return _LEAST_LR + (max_lr - _LEAST_LR) * epoch / _RAMP_UP
    return _LEAST_LR + (max_lr - _LEAST_LR) * _DECAY ** (epoch - _RAMP_UP)
