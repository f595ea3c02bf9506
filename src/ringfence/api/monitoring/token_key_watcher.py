"""A token key that was made beside a running server takes effect here, between two steps.

`ringfence privacy rotate --tokens` ──► tokens.db: a key that waits, and who is known
                                             │ looked for twice a second
         who came since, read from the log ◄─┘──► between two steps: known, in effect, noted
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Final

from ringfence.api.http.problems import Refusal
from ringfence.api.monitoring.watcher import Watcher
from ringfence.compose.folder.token_keys import (
    has_token_keys,
    known_in,
    open_token_keys,
    take_over_between_steps,
)
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from ringfence.api.hot.decider import Decider
    from ringfence.compose.deciding.session import Session
    from ringfence.compose.folder.token_keys import TokenKeyFile

_SECONDS: Final = 0.5
_MOST_SECONDS: Final = 60.0
_LOGGER: Final = logging.getLogger(__name__)


class TokenKeyWatcher(Watcher):
    """Looks for a key that waits, and for persons who are not known any more.

    Attributes:
        problem: why a key waits, empty where none does.
    """

    def __init__(self, session: Session, decider: Decider) -> None:
        self._session = session
        self._decider = decider
        self._keys: TokenKeyFile | None = None
        self._open, self._looking = ExitStack(), Lock()
        self._is_over = False
        self.problem = ""

    def warnings(self) -> list[str]:
        """What somebody should see to."""
        return [f"the token keys of before stay in use: {self.problem}"] if self.problem else []

    async def _keep_looking(self) -> None:
        seconds = _SECONDS
        while True:
            try:
                await asyncio.shield(asyncio.to_thread(self.look))
                self.problem, seconds = "", _SECONDS
            except (RingfenceError, Refusal) as error:
                self.problem, seconds = str(error), min(2 * seconds, _MOST_SECONDS)
                _LOGGER.warning("the token keys of before stay in use: %s", error)
            except Exception as error:
                self.problem, seconds = repr(error), min(2 * seconds, _MOST_SECONDS)
                _LOGGER.exception("the token keys of before stay in use")
            await asyncio.sleep(seconds)

    def look(self) -> None:
        """Take up what has changed, off the event loop. `StoreError` where that cannot be now."""
        with self._looking:
            if not self._is_over:
                self._look()

    def _look(self) -> None:
        store, tokenizer = self._session.store, self._session.tokenizer
        if self._keys is None:
            if not has_token_keys(store.folder):
                return
            self._keys = self._open.enter_context(open_token_keys(store))
        keys, waiting = self._keys, self._keys.waiting()
        if waiting is not None and waiting.gathered is not None:
            near, now_ms = known_in(store, waiting.gathered), self._session.clock.now_ms()
            self._decider.look_and_wait(
                lambda: take_over_between_steps(
                    store, keys, tokenizer, near, self._session.runner.pipeline.offset, now_ms
                )
            )
            _LOGGER.info("token key %s makes tokens from now on", waiting.name)
        elif keys.version() != tokenizer.keys.version:
            fresh = keys.keys()
            self._decider.look_and_wait(lambda: tokenizer.renew(fresh))

    async def stop(self) -> None:
        """See `Watcher.stop`."""
        await super().stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._looking:
            self._is_over = True
            self._open.close()
