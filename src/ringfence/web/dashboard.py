"""The dashboard of one server: what its pages share."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ringfence.api.services import PageServices
from ringfence.compose.deciding.questions import bands_of
from ringfence.compose.deciding.versions import registered_rules, registered_spec
from ringfence.compose.folder.index import open_index
from ringfence.compose.folder.tables import confined_tables
from ringfence.errors import RingfenceError
from ringfence.scoring.rulesets.rules import fit
from ringfence.web.activity import Activity
from ringfence.web.answer_cache import AnswerCache
from ringfence.web.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.api.services import Services
    from ringfence.features.spec import FeatureSpec
    from ringfence.ports.topics import TopicBrowser
    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.manifest import Manifest
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet

T = TypeVar("T")
_SECONDS: Final = 1.0
_AT_ONCE: Final = 8  # batches that are taken in before others get a turn
_REST_SECONDS: Final = 0.01  # which decisions have to themselves


class DecidingVersions(NamedTuple):
    """What decided: rules, compiled over the features."""

    rules: CompiledRules
    spec: FeatureSpec


class Dashboard:
    """What pages ask, and what runs while there are any."""

    def __init__(self, services: Services, browsers: Sequence[TopicBrowser] = ()) -> None:
        self.services = services
        self._own = own = self.of(PageServices)
        self.browsers = browsers
        self.store = own.store
        self.sessions = own.sessions
        self.activity = Activity(lambda: own.clock.now_ms() / 1000)
        self.finder = open_index(self.store)
        self.console = confined_tables(self.store)  # of the SQL page
        self.jobs = own.jobs
        self.vitals = Vitals()
        self.watchers = 0  # live pages that are open
        self.stopping = asyncio.Event()
        own.streams.append(self.stopping.set)  # before the server waits for open requests
        self.rules: Callable[[str], RuleSet | None] = lru_cache(maxsize=16)(self._rules)
        self.versions: Callable[[str, str], DecidingVersions | None] = lru_cache(maxsize=16)(self._versions)
        self.bands = bands_of(self.store)
        self.artifact: Callable[[str], Artifact] = lru_cache(maxsize=64)(own.read_model)
        self.cache = AnswerCache(lambda: own.clock.now_ms() / 1000)
        self._upkeep: asyncio.Task[None] | None = None

    def of(self, kind: type[T]) -> T:
        """What a page works with, as `services_of` gives it to a route."""
        found: T = self.services[kind]
        return found

    def start(self) -> None:
        """Watch what is decided."""
        self._own.listeners.append(self.activity.take)
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up())

    async def stop(self) -> None:
        """End streams and work in the background."""
        self.stopping.set()
        await asyncio.to_thread(self.cache.stop)
        for browser in self.browsers:
            await asyncio.to_thread(browser.close)
        await asyncio.to_thread(self.console.close)
        if self._upkeep is not None:
            await self._upkeep

    def manifest(self, digest: str) -> Manifest:
        """Of a model that is kept here; errors as of `ModelStore.read`."""
        return self.artifact(digest).manifest

    def _rules(self, digest: str) -> RuleSet | None:
        return registered_rules(self.store, digest)

    def _versions(self, rules: str, features: str) -> DecidingVersions | None:
        ruleset, spec = self.rules(rules), registered_spec(self.store, features)
        return None if ruleset is None or spec is None else DecidingVersions(fit(ruleset, spec)[0], spec)

    async def _keep_up(self) -> None:
        """Every second: list entries and labels are taken in, cases tended, the vital signs noted."""
        while not self.stopping.is_set():
            with contextlib.suppress(RingfenceError):  # the page that asks for them tells; decisions go on
                while await asyncio.to_thread(self._own.annotations.step, _AT_ONCE):
                    if self.stopping.is_set():
                        break
                    self._note_vitals()
                    await asyncio.sleep(_REST_SECONDS)
                await asyncio.to_thread(self._own.tend_cases)
            self._note_vitals()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), _SECONDS)

    def _note_vitals(self) -> None:
        runner = self._own.runner
        self.vitals.note(runner.pipeline.offset, self._own.decider.waiting, runner.seconds)
