"""Something that is looked at again and again, on a thread of its own."""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS: Final = 1.0
_LOGGER: Final = logging.getLogger(__name__)


class Rounds:
    """Looks about once a second, between `start` and `stop`. A look that fails is made again."""

    def __init__(self, name: str, look: Callable[[], object]) -> None:
        self._name = name
        self._look = look
        self._stopping = Event()
        self._thread = Thread(target=self._keep, name=f"ringfence-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let the look that is under way end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception:  # whatever it is, a thread that ends would end all looks in silence
                _LOGGER.warning("%s failed and will be retried", self._name, exc_info=True)
            self._stopping.wait(_LOOK_SECONDS)
