"""A network between two ends of this machine, which a test may part."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Self

_CHUNK = 1 << 16
_HANG_UP = struct.pack("ii", 1, 0)  # SO_LINGER by which an end is told that the other one is gone


class Link:
    """Leads from `port` to another port of this machine.

    While it is cut, neither end hears anything of the other, not even that there is nobody: what they send is
    held. Then it arrives after all, or every connection of before breaks and what was held is lost.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.held = Event()
        self._whole = Event()
        self._whole.set()
        self._to = 0
        self._lock = Lock()
        self._ends: set[socket.socket] = set()

    def lead(self, port: int) -> None:
        """Say where to, and begin."""
        self._to = port
        Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()
        self._break()
        self._whole.set()

    def cut(self) -> None:
        """From now on nothing goes through; `held` is set by the first that would have."""
        self.held.clear()
        self._whole.clear()

    def mend(self, *, broken: bool) -> None:
        """All goes through again; connections of before go on, or are `broken`."""
        if broken:
            self._break()
        self._whole.set()

    def _break(self) -> None:
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
                end.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            end.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with self._lock:
            self._ends.add(near)
        self._await()
        try:
            far = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            self._end(near)
            return
        with self._lock:
            self._ends.add(far)
        back = Thread(target=self._pump, args=(far, near), daemon=True)
        back.start()
        self._pump(near, far)
        back.join()
        self._end(near)
        self._end(far)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._await()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _await(self) -> None:
        if not self._whole.is_set():
            self.held.set()
            self._whole.wait()

    def _end(self, one: socket.socket) -> None:
        with self._lock:
            self._ends.discard(one)
        one.close()
