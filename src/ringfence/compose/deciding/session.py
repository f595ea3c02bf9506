"""An open store with a runner that has caught up, and the desks at which people change what it does."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.access.approvals import Deed
from ringfence.adapters.cases import read_policy
from ringfence.adapters.files import read_original
from ringfence.compose.clock import SystemClock
from ringfence.compose.deciding.checks import ChecksHere
from ringfence.compose.deciding.models import IN_FORCE, impact_of
from ringfence.compose.deciding.rules import FIRST_RULES, LoggedForce
from ringfence.compose.deciding.versions import StoredLibrary, register, registered_mapping
from ringfence.compose.folder import companions
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.folder.privacy import keeping
from ringfence.compose.folder.store import let_go, open_snapshots, open_store, tokenizer_of
from ringfence.compose.folder.tables import open_tables
from ringfence.desks.cases import CaseDesk
from ringfence.desks.confirming import ChangeLimits
from ringfence.desks.lists import MOST_AT_ONCE, ListDesk
from ringfence.desks.model_desk import ModelDesk, Signed
from ringfence.desks.models import Confirming
from ringfence.desks.quarantine import ReplayDesk
from ringfence.desks.rules import RulesDesk
from ringfence.errors import InputError, RuleError, StoreError
from ringfence.events.activation import Part
from ringfence.events.mapping import SHIPPED
from ringfence.pipeline import Pipeline
from ringfence.rulebook.changes import ApprovalError, is_approved
from ringfence.rulebook.desk import Desk, Who
from ringfence.rulebook.entries import MOST_ROWS
from ringfence.rulebook.entries_of_before import renewed
from ringfence.runner import Runner
from ringfence.scoring.rulesets.books import shipped_rules_off
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ringfence.adapters.vault import VaultWriter
    from ringfence.cases.book import CaseBook
    from ringfence.compose.deciding.checks import Checks, Tried
    from ringfence.compose.deciding.definitions import Definitions
    from ringfence.decisions.impact import Impact
    from ringfence.desks.quarantine import ReadAgain
    from ringfence.desks.seals import Seals
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping
    from ringfence.pipeline import View
    from ringfence.ports import QuarantinedRecord, Replayed
    from ringfence.ports.tables import ListAnswers
    from ringfence.rulebook.checking import Checked, Rate
    from ringfence.saving import Snapshotting
    from ringfence.scoring.artifacts.deployment import Deployment
    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.store import DataFolder

NORMS: Final = "norms"  # of ids, in which the lists have them
FILE_RULES: Final = "file_rules"  # of the definitions that were put in force last, as opposed to live edits
FILE_MODEL: Final = "file_model"  # likewise


def at_once(question: Callable[[], View]) -> View:
    """The answer of the thread that asks."""
    return question()


@dataclass(frozen=True, slots=True)
class Session:
    """An open store with a runner that has caught up with its log."""

    store: DataFolder
    runner: Runner
    definitions: Definitions
    tokenizer: Tokenizer
    clock: SystemClock
    warnings: list[str]  # snapshots that could not be used
    library: StoredLibrary
    require_approval: bool
    checks: Checks
    notices: list[str] = field(default_factory=list)  # what else somebody should read
    originals: VaultWriter | None = None  # keeps what personal data was, where the log has tokens
    between_steps: Callable[[Callable[[], View]], View] = at_once
    """Has the thread that decides answer a question; here that is whoever asks."""

    def desk(self, lake: ListAnswers | None = None, put: Callable[[EventBatch], int] | None = None) -> Desk:
        """The rule book of this store. `put` appends an activation; the runner does without it."""
        force = LoggedForce(
            self.store,
            self.library,
            self.checks,
            lambda: self.runner.pipeline.versions[Part.RULES],
            put or self._put,
            lambda: lake or open_tables(self.store),
        )
        return Desk(self.store.rule_history, force, self.require_approval)

    def model_desk(self, put: Callable[[EventBatch], int] | None = None) -> ModelDesk:
        """The models of this store. `put` as of `desk`."""
        append = put or self._put

        def told(change: EventBatch) -> int:
            offset = append(change)
            self.store.remember(IN_FORCE, self.runner.pipeline.versions[Part.MODELS])
            return offset

        models = self.runner.pipeline
        kept = self.library.stored_models
        return ModelDesk(kept, lambda: models.models.deployment, told, self._approved)

    @contextmanager
    def _approved(self, told: str, deployment: Deployment, signed: Signed) -> Iterator[None]:
        who, desk = Who(signed.author, signed.now_ms, signed.note), open_approvals(self.store.folder)
        with (
            closing(desk.book),
            desk.approved(Deed.MODELS, told, {"deployment": deployment.digest}, who),
        ):
            yield

    def view(self) -> View:
        """What decides now, for any thread but the one that decides while a server runs."""
        return self.between_steps(self.runner.pipeline.view)

    def rates(self, ruleset: RuleSet) -> list[Rate]:
        """How often each rule's condition is TRUE of the newest payments, also of rules that rest."""
        return self.tried(ruleset).rates

    def tried(self, ruleset: RuleSet) -> Tried:
        """The rates, and what should be read before these rules take effect."""
        return self.checks.tried(ruleset, self.view().lookups)

    def check(self, text: str, *, measured: bool = True) -> Checked:
        """All that is wrong with a book's text, or else what should be read before it takes effect."""
        return self.checks.check(text, self.view().lookups, measured=measured)

    def warnings_on(self, ruleset: RuleSet) -> list[str]:
        """What should be read before these rules take effect; also where they cannot be tried in time."""
        try:
            return self.tried(ruleset).warnings
        except (InputError, StoreError) as error:
            return [f"how often these rules are true was not measured: {error}"]

    def impact(self, digest: str, *, leaving: bool = False) -> Impact:
        """What recent payments' outcomes would be if a kept model were the champion; it changes nothing.

        `leaving`, what they would be without it where it is in force.
        """
        return impact_of(self.store, self.library.stored_models, self.view(), digest, leaving=leaving)

    def confirming(self, digest: str, confirm: str, seals: Seals | None = None) -> Confirming:
        """What a change of the part of a model is held to, and what was said to confirm it."""
        sheet = lambda leaving: self.impact(digest, leaving=leaving)  # noqa: E731
        return Confirming(sheet, self.change_limits, confirm, seals)

    def impact_of_rules(self, ruleset: RuleSet) -> Impact:
        """What recent payments' outcomes would be with these rules; `RuleError` where they do not compile."""
        return self.checks.impact(ruleset, self.view())

    def rules_desk(self, book: Desk, seals: Seals | None = None) -> RulesDesk:
        """Changes of a rule book that `desk` gave."""
        guard, read = self.tokenizer.guard_text, self.checks.read
        return RulesDesk(book, guard, read, self.impact_of_rules, self.change_limits, seals)

    @property
    def change_limits(self) -> ChangeLimits:
        """Up to where a change takes effect without a typed confirmation."""
        settings = load_settings()
        return ChangeLimits(settings.confirm_share, settings.confirm_money)

    def list_desk(self, put: Callable[[EventBatch], object] | None = None) -> ListDesk:
        """The lists of this store. `put` as of `desk`; with it, payments are decided meanwhile."""
        return ListDesk(self.tokenizer, put or self._put, MOST_ROWS if put is None else MOST_AT_ONCE)

    def case_desk(self, book: CaseBook) -> CaseDesk:
        """The cases of this store, by the policy of the project."""
        return CaseDesk(book, read_policy(load_settings().cases), self.tokenizer.clean)

    def deliver(self, desk: CaseDesk, put: Callable[[EventBatch], object] | None = None) -> int:
        """Have the log take what closed cases say; how many labels and list entries. `put` as of `desk`."""
        return desk.deliver(self.tokenizer, put or self._put)

    def replay_desk(
        self,
        decide: Callable[[EventBatch, EventBatch | None], str] | None = None,
        mapping: Mapping | None = None,
    ) -> ReplayDesk:
        """The quarantine of this store, its records read by `mapping`, or by the one that they came by.

        `decide` takes events as any others; the runner does without it.
        """

        def read(record: QuarantinedRecord) -> ReadAgain:
            used = mapping or registered_mapping(self.store, record.mapping)
            form: Any = record.original_format
            row = max(record.position - 1, 0)
            return read_original(record.original, form, used, self.tokenizer, self.clock.now_ms(), row)

        def mark(marks: Sequence[Replayed]) -> None:
            self.store.commit(replayed=marks, now_ms=self.clock.now_ms())

        return ReplayDesk(read, decide or self._decide, mark)

    def _put(self, change: EventBatch) -> int:
        offset = self.runner.pipeline.offset
        self.runner.commit([self.runner.put(change)])
        return offset

    def _decide(self, events: EventBatch, labels: EventBatch | None) -> str:
        admitted, _ = self.runner.ingest(events, labels)
        if admitted.conflicts:
            return "conflict"
        return "accepted" if len(admitted.events) else "duplicate"

    def register_mapping(self, mapping: Mapping) -> None:
        """Keep the text of a mapping, so that a quarantined record can be read again by it."""
        if mapping.name not in SHIPPED:
            body = self.tokenizer.guard_text(msgspec.json.encode(mapping, order="sorted").decode())
            digest = hashlib.sha256(body.encode()).hexdigest()[:16]
            self.store.registry.register("mapping", digest, body, self.clock.now_ms())


@contextmanager
def open_session(
    folder: Path,
    definitions: Definitions,
    snapshotting: Snapshotting,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    require_approval: bool = False,
    patient: bool = True,
) -> Iterator[Session]:
    """The store in a folder, made if need be, ready to decide; a snapshot is kept when all went well.

    With `require_approval` a changed rule book waits for a second person, where it came from whatever.
    Where originals of personal data come faster than the vault takes them, reading waits if `patient`.
    `progress` hears of events replayed and to replay. `StoreError` if another process writes there.
    """
    clock = SystemClock()
    with open_store(folder) as store, keeping(store, clock.now_ms, patient=patient) as originals:
        missed = companions.look_after(store)
        register(store, definitions, clock.now_ms())
        digest = definitions.rules.ruleset.digest
        if store.remembered(FIRST_RULES) is None:
            store.remember(FIRST_RULES, digest)
            store.remember(FILE_RULES, digest)
        library = StoredLibrary(store, definitions)
        pipeline = Pipeline(
            definitions.spec,
            definitions.rules,
            store.meta.hash_seed,
            library=library,
            stopwatch=time.perf_counter,
        )
        pipeline.expect(Part.RULES, store.remembered(FIRST_RULES) or digest)
        runner = Runner(store, pipeline, clock, open_snapshots(store), snapshotting)
        warnings = [*store.remarks, *missed, *runner.recover(progress)]
        session = Session(
            store,
            runner,
            definitions,
            tokenizer_of(store, originals or let_go),
            clock,
            warnings,
            library,
            require_approval,
            ChecksHere(store.log, definitions.spec, library.stored_models),
            originals=originals,
        )
        _renew_lists(session)
        _deploy(session)
        _settle(session)
        _deploy_model(session)
        yield session
        runner.close()


def _renew_lists(session: Session) -> None:
    """Once, in a store of before ids had a norm: have its lists match payments in it."""
    store, pipeline = session.store, session.runner.pipeline
    if store.remembered(NORMS) is None:
        if not pipeline.reference.lists.is_empty:
            now_ms = pipeline.engine.clock.now_ms or session.clock.now_ms()
            for events in renewed(store.log, session.tokenizer, now_ms):
                session.runner.commit([session.runner.put(events)])
        store.remember(NORMS, "1")


def _deploy(session: Session) -> None:
    """Put the definitions' rules in force if they are not those of last time: live edits outlive a start."""
    store, ruleset = session.store, session.definitions.rules.ruleset
    who = Who("file", session.clock.now_ms(), session.definitions.rules_origin)
    desk, changed = session.desk(), store.remembered(FILE_RULES) != ruleset.digest
    if changed or desk.head() is None:
        desk.deploy_file(ruleset, who)
        session.notices.extend(shipped_rules_off(ruleset, who.note))
    if not changed:
        return
    if desk.force.active() != ruleset.digest:
        if desk.require_approval and not is_approved(desk.book.changes(), ruleset.digest):
            session.notices.append(
                f"{who.note} has changed: version {ruleset.digest} waits for somebody to approve it "
                f"(ringfence rules approve {ruleset.digest}), the rules of before stay in force"
            )
        else:
            desk.activate(ruleset.digest, who)
    store.remember(FILE_RULES, ruleset.digest)


def _settle(session: Session) -> None:
    try:
        session.runner.pipeline.settle()
    except RuleError as error:
        digest = session.runner.pipeline.versions[Part.RULES]
        raise RuleError(
            f"rules {digest}, which are in force, do not fit these features: {error}\nGive back the features "
            "of before, or change the rule book's file as well: a changed file is put in force at the start"
        ) from error


def _deploy_model(session: Session) -> None:
    """Likewise the definitions' model, as the champion."""
    store, artifact = session.store, session.definitions.model
    if artifact is not None and store.remembered(FILE_MODEL) != artifact.digest:
        desk = session.model_desk()
        desk.keep(artifact)
        if desk.active().champion != artifact.digest:
            try:
                desk.promote(artifact.digest, Signed("file", session.clock.now_ms(), artifact.manifest.name))
            except ApprovalError as error:
                session.notices.append(f"the project names another model, and {error}, by a start")
                return
        store.remember(FILE_MODEL, artifact.digest)
    store.remember(IN_FORCE, session.runner.pipeline.versions[Part.MODELS])
