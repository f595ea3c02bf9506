"""What each group of routes and pages works with. `Server` has it all, and hands none of it the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from starlette.requests import Request  # noqa: TC002 (FastAPI reads the annotation)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from ringfence.access.approvals import ApprovalDesk
    from ringfence.access.authoriser import Authoriser
    from ringfence.access.oidc import OpenIdProvider
    from ringfence.access.principal import Principal
    from ringfence.access.sessions import Sessions
    from ringfence.access.views import ViewDesk
    from ringfence.analysis.history import Hindsight
    from ringfence.api.background.jobs import Jobs
    from ringfence.api.background.pools import Pools
    from ringfence.api.backups import BackupWatcher
    from ringfence.api.following import Following
    from ringfence.api.hot.answers import Answers
    from ringfence.api.hot.decider import Decider
    from ringfence.api.hot.decoding_aside import Aside
    from ringfence.api.hot.path import HotPath
    from ringfence.api.hot.stored import Stored
    from ringfence.api.http.connections import Connections
    from ringfence.api.http.proxies import Proxies
    from ringfence.api.monitoring.metrics import Metrics
    from ringfence.api.monitoring.objective_watcher import ObjectiveWatcher
    from ringfence.api.outboxes import Outboxes
    from ringfence.api.settings import ServeSettings
    from ringfence.api.sourcing import Sources
    from ringfence.api.streaming.batch_slots import Slots
    from ringfence.api.streaming.stream import Hub
    from ringfence.api.streaming.stream_places import Places
    from ringfence.api.trials import Trials
    from ringfence.api.upkeep import UpkeepWatcher
    from ringfence.audit.trail import Trail
    from ringfence.cases.book import CaseBook
    from ringfence.cases.model import Case
    from ringfence.compose.clock import SystemClock
    from ringfence.compose.deciding.versions import StoredLibrary
    from ringfence.compose.folder.inquiries import Inquiries
    from ringfence.decisions.decision import DecisionBatch
    from ringfence.decisions.impact import Impact
    from ringfence.desks.alerts import MuteDesk
    from ringfence.desks.cases import CaseDesk
    from ringfence.desks.confirming import ChangeLimits
    from ringfence.desks.lists import ListDesk
    from ringfence.desks.model_desk import ModelDesk
    from ringfence.desks.models import Confirming
    from ringfence.desks.quarantine import ReplayDesk
    from ringfence.desks.rules import RulesDesk
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.features.spec import FeatureSpec
    from ringfence.pipeline import Pipeline, View
    from ringfence.ports.tables import Annotations, Tables
    from ringfence.ports.tracing import Tracing
    from ringfence.rulebook.checking import Checked
    from ringfence.rulebook.desk import Desk, Who
    from ringfence.runner import Runner
    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.store import DataFolder

T = TypeVar("T")


class Keeping(Protocol):
    """Keeps originals of personal data."""

    def warnings(self) -> list[str]:
        """What somebody should see to."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """The time, threads to work on, the settings, who may ask, the store, and tokens for what is personal."""

    clock: SystemClock
    pools: Pools
    settings: ServeSettings
    authoriser: Authoriser
    store: DataFolder
    tokenizer: Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivacyServices(Surroundings):
    """To look for personal data, and to have it erased. `trail` takes what ends after its answer."""

    inquiries: Inquiries
    trail: Trail


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontServices(Surroundings):
    """What stands before every request, and takes single payments in on the short way."""

    connections: Connections
    proxies: Proxies
    metrics: Metrics
    tracing: Tracing | None
    charge: Callable[[Principal, int], None]
    decider: Decider
    hot: HotPath


@dataclass(frozen=True, kw_only=True, slots=True)
class EventServices(Surroundings):
    """To have events decided that came in a batch, late, or in a body of any size."""

    charge: Callable[[Principal, int], None]
    decider: Decider
    aside: Aside
    slots: Slots


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordServices(Surroundings):
    """To look at what has been decided, and at the state of an entity."""

    lake: Tables
    annotations: Annotations
    stored: Stored
    answers: Answers
    hindsight: Hindsight
    decider: Decider
    pipeline: Pipeline
    library: StoredLibrary
    view: Callable[[], View]
    spec: FeatureSpec
    hub: Hub


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleServices(Surroundings):
    """To read, check and change the rule book. `desk` is for looking and approving, `rules` for changes."""

    desk: Desk
    rules: RulesDesk
    lake: Tables
    check: Callable[..., Checked]
    warnings_on: Callable[[RuleSet], list[str]]
    change_limits: Callable[[], ChangeLimits]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialServices(Surroundings):
    """To try rules on the past, in the background. `tries` are of rules in the making: no colleague's end."""

    rules: RulesDesk
    stored: Stored
    trials: Trials
    jobs: Jobs
    tries: Jobs


@dataclass(frozen=True, kw_only=True, slots=True)
class ListServices(Surroundings):
    """To look at lists and to change them."""

    lists: ListDesk
    annotations: Annotations


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelServices(Surroundings):
    """To look at models and to put them in force; `changing` is held meanwhile: one change at a time."""

    models: ModelDesk
    changing: asyncio.Lock
    impact: Callable[..., Impact]
    confirming: Callable[[str, str], Confirming]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseServices(Surroundings):
    """To work on cases. `open_case` takes a payment; `deliver_cases` tells the log what closed cases say."""

    cases: CaseDesk
    case_book: CaseBook
    annotations: Annotations
    open_case: Callable[[str, Who], Case | None]
    deliver_cases: Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BusServices(Surroundings):
    """To read the bus and to change who hears of what. `stopping` is set once streams have to end."""

    outboxes: Outboxes
    inquiries: Inquiries
    case_book: CaseBook
    places: Places
    stopping: asyncio.Event
    mutes: MuteDesk


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerServices(Surroundings):
    """What a button in a message, or a customer's answer, sets going. `later` does it beside the request."""

    decider: Decider
    outboxes: Outboxes
    later: Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessServices(Surroundings):
    """Keys, sessions, sign-in, and requests that wait for a second person."""

    approvals: ApprovalDesk
    sessions: Sessions
    provider: OpenIdProvider | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewServices(Surroundings):
    """Saved views of lists."""

    views: ViewDesk


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineServices(Surroundings):
    """To try bad records again."""

    decider: Decider
    replay_desk: Callable[..., ReplayDesk]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditServices(Surroundings):
    """What is on record."""

    trail: Trail


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthServices(Surroundings):
    """How the server is. `is_ready` says whether it decides, `versions` what with."""

    is_ready: Callable[[], bool]
    versions: Callable[[], dict[str, str]]
    decider: Decider
    runner: Runner
    originals: Keeping | None
    following: Following
    backups: BackupWatcher
    upkeep: UpkeepWatcher
    sources: Sources
    objectives: ObjectiveWatcher
    metrics: Metrics
    places: Places


@dataclass(frozen=True, kw_only=True, slots=True)
class PageServices(Surroundings):
    """What the pages live on together.

    `listeners` hear what is decided, `streams` end what is open as the server stops. `tend_cases` does what
    is due, and `read_model` gives a model that is kept.
    """

    sessions: Sessions
    jobs: Jobs
    annotations: Annotations
    decider: Decider
    runner: Runner
    listeners: list[Callable[[DecisionBatch, EventBatch], None]]
    streams: list[Callable[[], None]]
    tend_cases: Callable[[], None]
    read_model: Callable[[str], Artifact]


Services = dict[type, Any]
"""An instance of each class above, by its class."""


def services_of(request: Request, kind: type[T]) -> T:
    """What a request's route works with."""
    found: T = request.app.state.services[kind]
    return found
