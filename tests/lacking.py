"""Runs command lines in a process that lacks what macOS and Windows lack: `python lacking.py '[["fit", ...], ...]'`."""

import builtins
import io
import json
import os
import sys
import types

# Libraries go by the name of the system, and are not what is tested: they come first, as they are here.
import filelock  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import platformdirs  # noqa: F401
import pytorch_lightning  # noqa: F401
import timm  # noqa: F401

_MODULES = ("fcntl", "resource", "termios", "tty", "pwd", "grp", "pty", "syslog", "readline")
_OF_OS = (
    "pread", "pwrite", "preadv", "getuid", "getgid", "fork", "forkpty", "sched_getaffinity",
    "posix_fadvise", "posix_fallocate", "sysconf", "killpg", "setsid", "memfd_create", "sendfile",
    "getloadavg", "mkfifo", "O_CLOEXEC", "O_DIRECTORY", "link", "chown",
)  # fmt: skip
_FOLDERS = ("/proc", "/sys", "/dev/shm", "/dev/fd")
_WINDOWS_FORBIDS = frozenset('<>:"|?*\\')


def block():
    """Take away what those systems lack; call it before the package is imported."""
    for name in _MODULES:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    for name in _OF_OS:
        if hasattr(os, name):
            delattr(os, name)
    for module, name in ((os, "stat"), (os, "lstat"), (os, "open"), (os, "mkdir"), (os, "listdir"), (os, "scandir"),
                         (io, "open"), (builtins, "open")):  # fmt: skip
        setattr(module, name, _blocked(getattr(module, name)))
    os.register_at_fork = lambda **_: None
    # What is installed on those systems.
    memory = types.SimpleNamespace(total=8 << 30, available=4 << 30)
    sys.modules["psutil"] = psutil = types.ModuleType("psutil")
    psutil.__dict__.update(virtual_memory=lambda: memory, boot_time=lambda: 1.7e9)


def _blocked(call):
    def checked(path=".", *args, **kwargs):
        if isinstance(path, str | os.PathLike):
            text = os.fspath(path)
            if text.startswith(_FOLDERS):
                raise FileNotFoundError(2, "No such file or directory", text)
            assert not (call.__name__ == "mkdir" and _WINDOWS_FORBIDS & set(text)), f"Windows forbids the name {text}"
        return call(path, *args, **kwargs)

    return checked


if __name__ == "__main__":
    block()
    import platform

    platform.libc_ver = lambda *_, **__: ("", "")  # not glibc
    from lightning_flowers import environment
    from lightning_flowers.__main__ import main

    environment.prepare_process()
    sys.exit(max(main(args) for args in json.loads(sys.argv[1])))
