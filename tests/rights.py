"""Rights as an ordinary user has them, also for tests that run as root."""

import ctypes
import os
from contextlib import contextmanager

ANOTHER = 65534  # nobody
_VERSION = 0x20080522  # of Linux's capabilities in two words


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Words(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("kept", ctypes.c_uint32))


def _call(name, words):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(ctypes.byref(_Header(_VERSION, 0)), words) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")


@contextmanager
def obeyed():
    """Within the block root is stopped by the rights of files, in this thread and those that it starts."""
    if os.geteuid() != 0:
        yield
        return
    words, before = (_Words * 2)(), []
    _call("capget", words)
    for word in words:
        before.append(word.effective)
        word.effective = 0
    _call("capset", words)
    try:
        yield
    finally:
        for word, effective in zip(words, before, strict=True):
            word.effective = effective
        _call("capset", words)


def make_read_only(path):
    path.chmod(0o555 if path.is_dir() else 0o444)


def give_to_another(path):
    """To another user, who lets nobody else read; who is not root can only take his own rights away."""
    if os.geteuid() == 0:
        os.chown(path, ANOTHER, ANOTHER)
        path.chmod(0o700 if path.is_dir() else 0o600)
    else:
        path.chmod(0)
