import ctypes
import platform

import pytest
import torch

from lightning_flowers.hardware import host


def test_the_cpu_is_described_by_name_and_cores():
    assert f"{host.cpu_count()} cores" in host.describe(torch.device("cpu"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept_on_cpu():
    assert ctypes.CDLL("libc.so.6").mallopt(host._M_MMAP_MAX, 0) == 1
    host.prepare_host("cpu")


def test_nothing_is_compiled_without_xla():
    assert host.compiled(torch.device("cpu")) == {}
