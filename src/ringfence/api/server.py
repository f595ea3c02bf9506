"""What the routes share: the decider and everything that answers questions, put together once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from secrets import token_bytes
from typing import TYPE_CHECKING

from ringfence.access.oidc import OpenIdProvider
from ringfence.access.sessions import Sessions
from ringfence.analysis.history import Hindsight
from ringfence.api.background.jobs import Jobs
from ringfence.api.background.pools import Pools
from ringfence.api.background.tasks import BackgroundTasks
from ringfence.api.backups import BackupWatcher
from ringfence.api.caseload import Caseload
from ringfence.api.following import Following
from ringfence.api.hot.answers import Answers
from ringfence.api.hot.decider import Decider
from ringfence.api.hot.decoding import Decoding
from ringfence.api.hot.gate import Gate
from ringfence.api.hot.outcomes import Resolver
from ringfence.api.hot.path import HotPath, versions_of
from ringfence.api.hot.stored import Stored
from ringfence.api.http.connections import Connections
from ringfence.api.http.proxies import Proxies
from ringfence.api.http.rate_limits import RateLimits
from ringfence.api.monitoring import gauges
from ringfence.api.monitoring.metrics import Metrics
from ringfence.api.monitoring.model_watcher import ModelWatcher
from ringfence.api.monitoring.objective_watcher import ObjectiveWatcher
from ringfence.api.monitoring.ring_watcher import RingWatcher
from ringfence.api.outboxes import Outboxes
from ringfence.api.sourcing import Sources
from ringfence.api.streaming.batch_slots import Slots
from ringfence.api.streaming.stream import Hub
from ringfence.api.streaming.stream_places import Places
from ringfence.api.trials import Trials
from ringfence.api.upkeep import UpkeepWatcher
from ringfence.api.warming import warm_up
from ringfence.compose.deciding.versions import registered_rules
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.folder.inquiries import InquiriesHere
from ringfence.compose.folder.saved_views import open_views
from ringfence.compose.folder.store import open_trail
from ringfence.compose.folder.tables import open_annotations, served_tables
from ringfence.desks.seals import Seals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.access.authoriser import Authoriser
    from ringfence.api.hot.decoding_aside import Aside
    from ringfence.api.settings import ServeSettings
    from ringfence.compose.deciding.session import Session
    from ringfence.compose.folder.inquiries import Inquiries
    from ringfence.decisions.decision import DecisionBatch
    from ringfence.events.batch import EventBatch
    from ringfence.ports.tracing import Tracing
    from ringfence.scoring.rulesets.ruleset import RuleSet


class Server:
    """One store being served. `start` and `stop` frame its life on an event loop."""

    def __init__(
        self,
        session: Session,
        settings: ServeSettings,
        authoriser: Authoriser,
        give_up: Callable[[BaseException], None] = lambda _error: None,
        most_connections: int | None = None,
        aside: Aside | None = None,
        tracing: Tracing | None = None,
        inquiries: Inquiries | None = None,
    ) -> None:
        """`give_up` hears of the error after which nothing can be decided any more.

        `most_connections` is what there is room for, where that is less than set. `aside` decodes batches and
        large payments, where that is not for this process to do. `tracing` is told of requests and steps.
        `inquiries` read much of the log for one answer, where that is not for this process either.
        """
        self._give_up = give_up
        self.settings, self.authoriser, self.tracing = settings, authoriser, tracing
        self.runner = session.runner
        self.clock = session.clock
        self.rate_limits, self.sessions = RateLimits(), Sessions()
        self.provider = OpenIdProvider.of(settings.provider())
        self.metrics = Metrics()
        self.lake = served_tables(session.store)
        self.annotations = open_annotations(session.store)
        self.following = Following(session.store, session.clock)
        self.outboxes = Outboxes(session.store, session.clock)
        self.inquiries = inquiries or InquiriesHere(session.store)
        self.trail = open_trail(session.store.folder)
        self.places = Places(settings.most_streams)
        self.hub = Hub(self.places, settings.stream_seconds)
        texts = session.library.stored_models.texts
        self.answers = Answers(self._rules, texts)
        pipeline = session.runner.pipeline
        self.stored = Stored(
            session.store.log,
            session.runner.intake,
            pipeline.seed,
            lambda asked: session.tokenizer.as_kept("transaction_id", asked),
        )
        self.hindsight = Hindsight(session.store.log, pipeline.seed)
        self.decoding = Decoding(session.tokenizer, pipeline.seed)
        self.aside = aside or self.decoding
        self.decider = Decider(
            session.runner,
            self.decoding,
            Resolver(self.answers, self.stored, self._published),
            session.clock,
            Gate(settings.most_waiting, settings.queue_ms / 1000),
            self.metrics.observe,
            self._failed,
            tracing,
        )
        self.session = session = replace(session, between_steps=self.decider.look_and_wait)
        self.desk = session.desk(self.annotations, self._put_in_force)
        self.seals = Seals(token_bytes(32), session.clock.now_ms)
        self.rules = session.rules_desk(self.desk, self.seals)
        self.lists = session.list_desk(self._put_in_force)
        self.models = session.model_desk(self._put_in_force)
        self.approvals, self.views = (
            open_approvals(session.store.folder),
            open_views(session.store.folder),
        )
        self.cases = Caseload(session, self.stored, self._put_in_force, authoriser.person)
        self.ring_news = RingWatcher(
            session.store.folder, session.tokenizer, self._put_in_force, self.cases.desk, session.clock
        )
        self.model_watcher, self.objectives = ModelWatcher(session, self.models), self._objectives()
        self.jobs, self.tries, self.backups = Jobs(), Jobs(), BackupWatcher(session.store, session.clock)
        self.trials, self.upkeep = (
            Trials(session, self.stored, self.hindsight),
            UpkeepWatcher(session.store.folder, self.models),
        )
        self.proxies = Proxies(settings.trusted_proxies)
        limits = settings.connection_limits(most_connections, self.proxies.trust)
        self.connections = Connections(limits, self.metrics.turned_away)
        self.slots = Slots(settings.most_batches)
        self.pools = Pools()
        self.hot = HotPath(
            self.decider,
            self.decoding,
            self.aside,
            session.runner.pipeline,
            self.pools.payments,
            self.clock,
            settings.deadline_ms,
            self.metrics.gave_up,
        )
        self.sources = Sources(self.decider, self.clock)
        self.listeners: list[Callable[[DecisionBatch, EventBatch], None]] = []
        self.background = BackgroundTasks()
        self.stopping = asyncio.Event()
        self.streams: list[Callable[[], None]] = [self.hub.stop, self.stopping.set]  # each ends some
        self.ready = False
        self._watch()
        warm_up(self.decoding, session)

    @property
    def changing_models(self) -> asyncio.Lock:
        """Held while models change: one change at a time."""
        return self.model_watcher.changing

    @property
    def versions(self) -> dict[str, str]:
        """Digests of what decides now."""
        return versions_of(self.runner.pipeline)

    def start(self) -> None:
        """Begin to decide; on the event loop."""
        loop = asyncio.get_running_loop()
        self.hub.start(loop)
        self.hot.start(loop)
        self.decider.start(loop)
        self.sources.start(loop)
        self.ring_news.start(loop)
        self.model_watcher.start(loop)
        self.objectives.start(loop)
        self.ready = True

    def end_streams(self) -> None:
        """Answers that would go on for ever end: the server waits for the others and stops."""
        for end in self.streams:
            end()

    async def stop(self) -> None:
        """Decide and commit what was accepted; nothing is taken any more."""
        self.ready = False
        self.hub.stop()
        await self.ring_news.stop()
        await self.model_watcher.stop()
        await self.objectives.stop()
        await asyncio.to_thread(self.jobs.stop)
        await asyncio.to_thread(self.tries.stop)
        await asyncio.to_thread(self.sources.stop)
        await self.hot.settle()
        await self.background.settle()
        await self.decider.stop()
        self.pools.close()
        await asyncio.to_thread(self.lake.close)
        await asyncio.to_thread(self.annotations.close)
        await asyncio.to_thread(self.following.close)
        self.cases.book.close()
        self.approvals.book.close()
        self.views.close()
        self.outboxes.close()
        await asyncio.to_thread(self.trail.close)

    def _objectives(self) -> ObjectiveWatcher:
        log, clock = self.session.store.log, self.clock
        folder = self.session.store.folder
        return ObjectiveWatcher(self.metrics, self.following, self.outboxes, log, clock, folder)

    def _put_in_force(self, change: EventBatch) -> int:
        return self.decider.put_and_wait(change)[0]

    def _rules(self, digest: str) -> RuleSet | None:
        own = self.runner.pipeline.rules.ruleset
        return own if own.digest == digest else registered_rules(self.session.store, digest)

    def _published(self, decisions: DecisionBatch, events: EventBatch, bodies: Sequence[bytes]) -> None:
        self.metrics.count(decisions)
        self.metrics.step_rows.observe(len(events))
        self.hub.publish(decisions, events, bodies)
        for listener in self.listeners:  # on the committing thread: quick, and no errors
            listener(decisions, events)

    def _failed(self, error: BaseException) -> None:
        """The state is ahead of the log: nothing can be decided until the process begins anew."""
        self.ready = False
        self._give_up(error)

    def _watch(self) -> None:
        gauges.watch_traffic(self.metrics, self.decider, self.connections, self.places)
        gauges.watch_state(self.metrics, self.runner, self.clock.now_ms)
        gauges.watch_personal(self.metrics, self.session)
        gauges.watch_findings(self.metrics, self.session.store.log, self.ring_news)
        if self.tracing is not None:
            gauges.watch_tracing(self.metrics, self.tracing)
        for one in (self.following, self.backups, self.upkeep, self.sources, self.outboxes, self.objectives):
            self.metrics.registry.register(one)
