import sys

import pytest
import torch

from lightning_flowers.errors import UserError
from lightning_flowers.hardware import choice

GOOGLE, V5E, V3 = "0x1ae0", "0x0063", "0x0027"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("PJRT_DEVICE", "CPU_NUM_DEVICES", "TPU_ACCELERATOR_TYPE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def machine(monkeypatch):
    """Pretend what hardware and packages there are."""

    def pretend(tpu=False, torch_xla=False, cuda=False, bf16=True):
        monkeypatch.setattr(choice, "has_tpu", lambda: tpu)
        monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: object() if torch_xla else None)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)

    return pretend


@pytest.fixture
def bus(tmp_path, monkeypatch):
    """`bus((vendor, device), ...)`: the PCI devices of this host."""
    monkeypatch.setattr(choice, "_PCI_DEVICES", tmp_path)

    def plug(*devices):
        for number, (vendor, device) in enumerate(devices):
            folder = tmp_path / f"0000:00:0{number}.0"
            folder.mkdir()
            (folder / "vendor").write_text(f"{vendor}\n")
            (folder / "device").write_text(f"{device}\n")

    return plug


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
    assert choice.choose_accelerator("auto") == chosen


def test_a_tpu_without_torch_xla_says_what_to_install(machine):
    machine(tpu=True)
    with pytest.raises(UserError, match=r"torch_xla is not installed: pip install -e '\.\[tpu\]'"):
        choice.choose_accelerator("tpu")


def test_a_tpu_that_is_not_there_is_refused_with_the_way_to_rehearse(machine):
    machine(torch_xla=True)
    with pytest.raises(UserError, match=r"this host has no TPU.*PJRT_DEVICE=CPU CPU_NUM_DEVICES=8"):
        choice.choose_accelerator("tpu")


def test_the_cpu_client_may_stand_in_for_a_tpu(machine, monkeypatch):
    machine(torch_xla=True)
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    assert choice.choose_accelerator("tpu") == "tpu"
    assert choice.choose_accelerator("auto") == "cpu"
    assert choice.tpu_name() == "core of torch_xla's CPU client"


def test_a_gpu_that_is_not_there_is_refused(machine):
    machine()
    with pytest.raises(UserError, match="finds no GPU"):
        choice.choose_accelerator("gpu")


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
    assert choice.choose_precision(None, accelerator) == precision
    assert choice.choose_precision(16, accelerator) == "16-mixed"


@pytest.mark.parametrize(
    ("asked", "precision"),
    [
        (None, "bf16-mixed"),
        ("bf16", "bf16-mixed"),
        ("bf16-mixed", "bf16-mixed"),
        (32, "32-true"),
        ("32-true", "32-true"),
    ],
)
def test_a_tpu_has_two_precisions(asked, precision):
    assert choice.choose_precision(asked, "tpu") == precision


@pytest.mark.parametrize(
    ("asked", "accelerator"), [("16-mixed", "tpu"), ("bf16-true", "tpu"), ("bf16-true", "cuda"), (64, "cpu")]
)
def test_another_precision_is_refused(asked, accelerator):
    with pytest.raises(UserError, match=f"--trainer.precision={asked}: .*: use 32-true or bf16-mixed"):
        choice.choose_precision(asked, accelerator)


def test_looking_for_a_tpu_does_not_import_torch_xla():
    choice.has_tpu()
    assert "torch_xla" not in sys.modules


def test_a_tpu_is_known_by_its_pci_identity(bus):
    bus((GOOGLE, "0x0042"), ("0x8086", V5E))  # a network card of the same maker, and another maker's
    assert not choice.has_tpu()


def test_the_name_comes_from_the_bus(bus):
    bus(*[(GOOGLE, V5E)] * 8)
    assert choice.has_tpu()
    assert choice.tpu_name() == "core of TPU v5e"


def test_the_cpu_client_has_as_many_cores_as_the_environment_says(monkeypatch):
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    assert choice.cpu_client_cores() == 1
    monkeypatch.setenv("CPU_NUM_DEVICES", "8")
    assert choice.cpu_client_cores() == 8


@pytest.mark.parametrize("number", ["many", "0", "-1"])
def test_a_number_of_cores_that_cannot_be_is_refused(monkeypatch, number):
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    monkeypatch.setenv("CPU_NUM_DEVICES", number)
    with pytest.raises(UserError, match=f"CPU_NUM_DEVICES={number}: must be a number of cores, such as 8"):
        choice.cpu_client_cores()
