"""What torch says of settings while it computes becomes one line."""

import errno
import os

import pytest
from torch._dynamo.exc import Unsupported

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.cli.failures import as_user_errors
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.lock import held

from ..conftest import fit_tiny


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Expected more than 1 value per channel when training, got [1, 8, 1, 1]"), "--data.batch_size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nMore"), "2 GiB.: give --data.micro_batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "--data.batch_size"),
        (
            Unsupported("a\nb"),
            "--model.compile=true: torch cannot compile",
        ),
        (RuntimeError("nll_loss2d does not have a deterministic implementation"), "--trainer.deterministic=true: nll_"),
        (RuntimeError("Calculated padded input size: (1 x 1). Kernel size can't be greater than"), "--data.size"),
    ],
)
def test_what_torch_says_of_settings_names_the_flag(error, said):
    with pytest.raises(UserError) as raised, as_user_errors(None, None, resumable=False):
        raise error
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_errors_stay_as_they_are():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), as_user_errors(None, None, resumable=False):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_batches_of_one_are_refused_where_batchnorm_sees_one_value(tmp_path, monkeypatch, petals_root, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--model.backbone=test_resnet", "--model.weights=none", "--trainer.accelerator=cpu", "--data.batch_size=1"]
    assert main(["fit", *flags, "--data.threads=1", f"--data.root={petals_root}", "--report=false"]) == MISUSED
    assert capsys.readouterr().err.splitlines()[-1].startswith("lightning_flowers: --data.batch_size: BatchNorm")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kept", "number", "said"),
    [
        ((), errno.ENOSPC, ": No space left on device: make room; nothing was saved yet"),
        (
            ("last",),
            errno.EACCES,
            ": Permission denied: make it writable; resume with: python -m lightning_",
        ),
        (("best",), errno.EFBIG, "sizes; its weights were saved, not what to resume from: a new run takes --model.w"),
    ],
)
def test_a_run_that_cannot_be_written_says_what_to_mend_and_what_is_left(tmp_path, kept, number, said):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    for name in kept:
        getattr(folder, name).write_bytes(b"weights")
    with pytest.raises(UserError) as raised, as_user_errors(folder, None, resumable=True):
        raise OSError(number, os.strerror(number))
    assert said in str(raised.value)


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path, petals_root, capsys):
    run = fit_tiny(tmp_path / "runs", petals_root, "mine")
    again = ["fit", f"--resume={run}", "--trainer.max_epochs=2", "--report=false"]
    with held(RunFolder(run)):
        assert main(again) == MISUSED
    assert f"{run}: another process trains it: wait for its end, or end it" in capsys.readouterr().err
    assert main(again) == 0
    assert not list((run / "checkpoints").glob(".*"))


@pytest.mark.parametrize(("command", "mend"), [("predict --run", "give --out=FOLDER"), ("fit --resume", "make it wr")])
def test_a_run_that_cannot_be_written_is_told_at_once(tiny_run, capsys, monkeypatch, command, mend):
    can = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and can(path, mode))  # root can all
    name, flag = command.split()
    assert main([name, f"{flag}={tiny_run}"]) == MISUSED
    assert f"{tiny_run}: cannot be written: {mend}" in capsys.readouterr().err
