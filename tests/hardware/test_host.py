import ctypes
import platform
from types import SimpleNamespace

import pytest
import torch

from lightning_flowers.hardware import host, processes


def test_the_cpu_is_described_by_name_and_cores():
    assert f"{host.cpu_count()} cores" in host.describe(torch.device("cpu"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept_on_cpu():
    assert ctypes.CDLL("libc.so.6").mallopt(host._M_MMAP_MAX, 0) == 1
    host.prepare_host("cpu")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_glibc_gets_its_defaults_back(monkeypatch):
    told = []
    libc = SimpleNamespace(mallopt=lambda parameter, value: told.append((parameter, value)))
    monkeypatch.setattr(host.ctypes, "CDLL", lambda name: libc)
    monkeypatch.setattr(host, "_malloc_told", {})
    with host.as_found():
        assert told == []
    with host.as_found():
        host.keep_freed_memory()
    assert dict(told) == host._MALLOC_DEFAULTS
    assert told[0] == (host._M_MMAP_MAX, 0)


def test_nothing_is_compiled_without_xla():
    assert host.compiled(torch.device("cpu")) == {}


def test_cores_are_divided_among_the_processes_that_share_them(monkeypatch):
    """Two processes with these cores, one bound to others, and one on another host."""
    monkeypatch.setattr(processes, "cpu_count", lambda: 8)
    others = [lambda mine: mine, lambda mine: (mine[0], [99]), lambda mine: ("elsewhere", mine[1])]
    monkeypatch.setattr(processes, "gather", lambda mine: [mine, *(other(mine) for other in others)])
    assert processes.cores_each() == 4
    monkeypatch.setattr(processes, "gather", lambda mine: [mine] * 20)
    assert processes.cores_each() == 1
