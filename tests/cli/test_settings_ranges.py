"""Numbers that cannot be are refused by flag and range, before anything is made."""

import pytest

from lightning_flowers.__main__ import MISUSED, main

TINY = ["--model.backbone=test_resnet", "--model.weights=none", "--data.threads=2", "--trainer.accelerator=cpu"]
HUGE = 10**23


@pytest.mark.parametrize(
    ("flag", "allowed"),
    [
        ("--trainer.max_epochs=0", "1 or more, or -1 for no end"),
        ("--trainer.max_steps=0", "1 or more, or -1 for no end"),
        ("--trainer.limit_train_batches=0", "above 0"),
        ("--trainer.val_check_interval=0.0", "above 0"),
        ("--trainer.check_val_every_n_epoch=0", "1 or more"),
        ("--trainer.accumulate_grad_batches=0", "1 or more"),
        ("--seed_everything=-1", "in 0..4294967295, or true"),
        ("--trainer.gradient_clip_val=-0.5", "0 (off) or more"),
        ("--trainer.gradient_clip_val=.nan", "0 (off) or more"),
        ("--model.lr=.inf", "above 0"),
        ("--model.lr=1e+300", "above 0, at most 1e+38"),
        ("--model.mixup=1e-300", "0 (off), or 1e-06 or more"),
        ("--model.cutmix=1e-300", "0 (off), or 1e-06 or more"),
        ("--save_every_minutes=.nan", "above 0 and finite, or null for never"),
        ("--save_every_minutes=.inf", "above 0 and finite, or null for never"),
        ("--hours=.nan", "above 0, and finite"),
        ("--hours=.inf", "above 0, and finite"),
        ("--hours=-1.0", "above 0, and finite"),
        ("--trainer.val_check_interval=.inf", "above 0, a share up to 1.0 or a number of batches"),
        ("--data.balance=.nan", "in 0..1"),
        ("--model.weight_decay=-1.0", "0 (off) or more"),
        ("--model.dropout=1.0", "0 (off) or more, below 1"),
        ("--model.warmup_epochs=.inf", "0 or more"),
        (f"--model.hidden=[{HUGE}]", "widths in 1..65536"),
        (f"--data.batch_size={HUGE}", "at least 1, at most 1048576"),
        (f"--data.threads={HUGE}", "at least 1, at most 1024"),
    ],
)
def test_a_number_outside_its_range_is_refused(tmp_path, monkeypatch, capsys, petals_root, flag, allowed):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *TINY, f"--data.root={petals_root}", flag]) == MISUSED
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert err.startswith(f"lightning_flowers: {flag.replace('=.', '=')}: must be {allowed}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--trainer.devices=0", "devices"),
        ("--trainer.limit_val_batches=.inf", "limit_val_batches"),
    ],
)
def test_what_lightning_refuses_is_one_line(tmp_path, monkeypatch, capsys, petals_root, flag, said):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *TINY, f"--data.root={petals_root}", flag]) == MISUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lightning_flowers: Lightning refuses these settings: ")
    assert said in line
    assert not list(tmp_path.iterdir())


def test_numbers_with_a_meaning_of_their_own_pass(tmp_path, monkeypatch, petals_root):
    monkeypatch.chdir(tmp_path)
    own = ["num_sanity_val_steps=-1", "limit_val_batches=0", "gradient_clip_val=0", "max_steps=-1", "devices=1"]
    flags = [f"--trainer.{setting}" for setting in ("max_epochs=1", "max_time=00:00:10:00", *own)]
    assert main(["fit", *TINY, f"--data.root={petals_root}", "--data.batch_size=8", "--data.cache=none", *flags]) == 0
