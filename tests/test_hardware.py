import platform
import sys

import pytest
import torch

from lightning_flowers import hardware
from lightning_flowers.errors import UserError


@pytest.fixture
def machine(monkeypatch):
    """Pretend what hardware and packages there are."""

    def pretend(tpu=False, torch_xla=False, cuda=False, bf16=True):
        monkeypatch.setattr(hardware, "has_tpu", lambda: tpu)
        monkeypatch.setattr(hardware.importlib.util, "find_spec", lambda name: object() if torch_xla else None)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)

    return pretend


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({}, "cpu"),
        ({"cuda": True}, "cuda"),
        ({"tpu": True, "torch_xla": True, "cuda": True}, "tpu"),
        ({"tpu": True, "torch_xla": False, "cuda": True}, "cuda"),
        ({"torch_xla": True}, "cpu"),
    ],
)
def test_auto_takes_the_best_hardware_that_can_be_used(machine, there, chosen):
    machine(**there)
    assert hardware.choose_accelerator("auto") == chosen


def test_a_tpu_without_torch_xla_says_what_to_install(machine):
    machine(tpu=True)
    with pytest.raises(UserError, match=r"torch_xla is not installed: pip install -e '\.\[tpu\]'"):
        hardware.choose_accelerator("tpu")


def test_a_tpu_that_is_not_there_is_refused(machine):
    machine(torch_xla=True)
    with pytest.raises(UserError, match="this host has no TPU"):
        hardware.choose_accelerator("tpu")


def test_a_gpu_that_is_not_there_is_refused(machine):
    machine()
    with pytest.raises(UserError, match="finds no GPU"):
        hardware.choose_accelerator("gpu")


@pytest.mark.parametrize(
    ("accelerator", "there", "precision"),
    [
        ("cuda", {"cuda": True, "bf16": True}, "bf16-mixed"),
        ("cuda", {"cuda": True, "bf16": False}, "16-mixed"),
        ("cpu", {}, "32-true"),
    ],
)
def test_precision_suits_the_hardware(machine, accelerator, there, precision):
    machine(**there)
    assert hardware.choose_precision(None, accelerator) == precision
    assert hardware.choose_precision("64-true", accelerator) == "64-true"


def test_looking_for_a_tpu_does_not_import_torch_xla():
    hardware.has_tpu()
    assert "torch_xla" not in sys.modules


def test_a_tpu_is_known_by_its_pci_identity(tmp_path, monkeypatch):
    (tmp_path / "vendor").write_text("0x1ae0\n")
    (tmp_path / "device").write_text("0x0063\n")
    assert hardware._is_tpu(tmp_path)
    (tmp_path / "device").write_text("0x0042\n")  # a network card of the same maker
    assert not hardware._is_tpu(tmp_path)


def test_the_cpu_is_described_by_name_and_cores():
    assert f"{hardware.cpu_count()} cores" in hardware.describe(torch.device("cpu"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept_on_cpu():
    import ctypes

    assert ctypes.CDLL("libc.so.6").mallopt(hardware._M_MMAP_MAX, 0) == 1
    hardware.prepare_host("cpu")
