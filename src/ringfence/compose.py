"""The only file that knows everything: puts store, specification, rules, pipeline and runner together."""

from __future__ import annotations

import hashlib
import runpy
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from ringfence.adapters.artifacts import Artifact, ModelDesk, Signed, read_folder
from ringfence.adapters.files import read_original
from ringfence.adapters.snapshots import Snapshots
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.book import RuleBook
from ringfence.analysis.rates import measured_rates
from ringfence.deployed import IN_FORCE, impact_of, stored_models
from ringfence.errors import InputError, RuleError, SpecError, StoreError
from ringfence.events.activation import Part
from ringfence.events.batch import EventBatch
from ringfence.events.mapping import SHIPPED, load_mapping
from ringfence.events.norms import Norms
from ringfence.events.seen import SeenIds
from ringfence.events.tokens import Tokenizer
from ringfence.events.vocabulary import Mapping
from ringfence.features.catalog import CATALOG
from ringfence.features.precompile import compiled_side_by_side
from ringfence.features.spec import FeatureSpec
from ringfence.library import load_rules
from ringfence.livebook import FIRST_RULES, LoggedForce, open_lake, with_modes
from ringfence.pipeline import Pipeline
from ringfence.rulebook.changes import is_approved
from ringfence.rulebook.checking import all_heard, check, missing_lists, warnings_of
from ringfence.rulebook.desk import Desk, Who
from ringfence.rulebook.entries_of_before import renewed
from ringfence.runner import Runner
from ringfence.scoring.books import default_book, shipped_rules_off
from ringfence.scoring.columns import Columns
from ringfence.scoring.possible import check_possible
from ringfence.scoring.rules import CompiledRules, LeftOut, Mode, RuleSet, compile_rules, fit
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ringfence.adapters.lake.rulebook import Asked
    from ringfence.analysis.impact import Impact
    from ringfence.pipeline import View
    from ringfence.rulebook.checking import Checked, Rate
    from ringfence.saving import Snapshotting
    from ringfence.scoring.models import Models

SHIPPED_CATALOG = "the shipped catalog"
SHIPPED_BOOK = "the shipped rule book"


class SystemClock:
    """`ringfence.ports.Clock` of this machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a project measures and how it judges, and where both come from.

    `left_out` are rules of the shipped book that the specification cannot serve.
    """

    spec: FeatureSpec
    rules: CompiledRules
    spec_origin: str
    rules_origin: str
    left_out: list[LeftOut] = field(default_factory=list)
    model: Artifact | None = None


def load_definitions(features: Path | None, rules: Path | None, model: Path | None = None) -> Definitions:
    """Specification and compiled rules of these files, and the artifact in the folder `model`.

    None stands for the shipped ones, and for no model. A rule of the user's own book that does not fit is a
    `RuleError`; one of the shipped book is left out.
    """
    found = _load_rules(CATALOG if features is None else load_spec(features), features, rules)
    return found if model is None else replace(found, model=read_folder(model))


def _load_rules(spec: FeatureSpec, features: Path | None, rules: Path | None) -> Definitions:
    origin = SHIPPED_CATALOG if features is None else str(features)
    if rules is not None:
        compiled = compile_rules(load_rules(rules), spec)
        check_possible(compiled.ruleset, spec)
        return Definitions(spec, compiled, origin, str(rules))
    compiled, left_out = fit(default_book(), spec)
    return Definitions(spec, compiled, origin, SHIPPED_BOOK, left_out)


_HEADER: Final = b"kind,transaction_id,event_time,amount,card_number,entity_type,entity_id,label\n"
_EXAMPLES: Final = (
    b"transaction,a,2024-01-01T00:00:00Z,1.50,4111111111111111,,,\n",
    b"label,a,2024-01-01T00:00:01Z,,,,,true\n",
    b"flag,,2024-01-01T00:00:01Z,,,card,b,\n",
    b"transaction,b,2024-01-01T00:00:02Z,2.50,4111111111111111,,,\n",
)


def warm_up(definitions: Definitions, *, observing: bool = False) -> None:
    """Have every kernel compiled, or read from the compile cache, before anything waits for it.

    `observing` as of `compiled_side_by_side`.
    """
    mapping, tokenizer, now_ms = load_mapping("canonical"), Tokenizer(bytes(32)), SystemClock().now_ms()
    with compiled_side_by_side(observing=observing):
        pieces = [read_original(_HEADER + line, "csv", mapping, tokenizer, now_ms) for line in _EXAMPLES]
        events = EventBatch.concat([piece.events for piece in pieces])
        SeenIds().admit(events.hashes("transaction_id", 0), 0)
        pipeline = Pipeline(definitions.spec, definitions.rules)
        unknown = np.full((len(definitions.spec.names), 1), np.nan)
        payment = Columns(events.slice(0, 1), definitions.spec, unknown, pipeline.reference)
        pipeline.rules.judge(payment)
    pipeline.step(events)


def load_spec(path: Path) -> FeatureSpec:
    """The specification that a Python file assigns to `spec`; `SpecError` says what the file lacks."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: a specification is a Python file that assigns `spec`")
    try:
        names = runpy.run_path(str(path))
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error
    except Exception as error:  # whatever a user's file raises is told with its line
        line = _line_of(error, path)
        raise SpecError(f"{path}{line}: {type(error).__name__}: {error}") from error
    spec = names.get("spec")
    if not isinstance(spec, FeatureSpec):
        raise SpecError(f"{path} does not assign `spec`: write spec = FeatureSpec.of(...)")
    return spec


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {frames[-1].lineno}" if frames else ""


class StoredLibrary:
    """`ringfence.ports.Library` over what a store has registered."""

    def __init__(self, store: Store, definitions: Definitions) -> None:
        self._store = store
        self._spec = definitions.spec
        self._rules = {definitions.rules.ruleset.digest: definitions.rules}
        self.stored_models = stored_models(store, definitions.spec)

    def rules(self, digest: str) -> CompiledRules:
        """See `Library.rules`."""
        if digest not in self._rules:
            book = registered_rules(self._store, digest)
            if book is None:
                raise StoreError(f"rules {digest} are named in the log and not kept: restore the data folder")
            self._rules[digest] = self.compile(book)
        return self._rules[digest]

    def compile(self, book: RuleSet) -> CompiledRules:
        """Rules over the specification; `RuleError` for one that does not compile, unless shipped so."""
        compiled, left_out = fit(book, self._spec)
        shipped = default_book().every_rule
        for left in left_out:
            if left.rule not in shipped and left.rule.mode is not Mode.ARCHIVED:
                raise RuleError(left.why)
        return compiled

    def vet(self, book: RuleSet, before: RuleSet | None = None) -> None:
        """As `compile`, for rules that are written now: `RuleError` also for one that can never be true.

        Those of `before` may stay as they are.
        """
        self.compile(book)
        check_possible(book, self._spec, before=before)

    def models(self, digest: str) -> Models:
        """See `Library.models`."""
        return self.stored_models.models(digest)


NORMS: Final = "norms"  # of ids, in which the lists have them
FILE_RULES: Final = "file_rules"  # of the definitions that were put in force last, as opposed to live edits
FILE_MODEL: Final = "file_model"  # likewise


def at_once(question: Callable[[], View]) -> View:
    """The answer of the thread that asks."""
    return question()


@dataclass(frozen=True, slots=True)
class Session:
    """An open store with a runner that has caught up with its log."""

    store: Store
    runner: Runner
    definitions: Definitions
    tokenizer: Tokenizer
    clock: SystemClock
    warnings: list[str]  # snapshots that could not be used
    library: StoredLibrary
    require_approval: bool
    notices: list[str] = field(default_factory=list)  # what else somebody should read
    between_steps: Callable[[Callable[[], View]], View] = at_once
    """Has the thread that decides answer a question; here that is whoever asks."""

    def desk(self, lake: Asked | None = None, put: Callable[[EventBatch], int] | None = None) -> Desk:
        """The rule book of this store. `put` appends an activation; the runner does without it."""
        force = LoggedForce(
            self.store,
            self.library,
            lambda: self.runner.pipeline.versions[Part.RULES],
            put or self._activate,
            lambda: lake or open_lake(self.store),
        )
        return Desk(RuleBook(self.store.log.database), force, self.require_approval)

    def model_desk(self, put: Callable[[EventBatch], int] | None = None) -> ModelDesk:
        """The models of this store. `put` as of `desk`."""
        append = put or self._activate

        def told(change: EventBatch) -> int:
            offset = append(change)
            self.store.remember(IN_FORCE, self.runner.pipeline.versions[Part.MODELS])
            return offset

        models = self.runner.pipeline
        return ModelDesk(self.library.stored_models, lambda: models.models.deployment, told)

    def view(self) -> View:
        """What decides now, for any thread but the one that decides while a server runs."""
        return self.between_steps(self.runner.pipeline.view)

    def rates(self, ruleset: RuleSet) -> list[Rate]:
        """How often each rule's condition is TRUE of the newest payments, also of rules that rest."""
        return self._rates(ruleset, self.view())

    def check(self, text: str) -> Checked:
        """All that is wrong with a book's text, or else what should be read before it takes effect."""
        view = self.view()
        return check(
            text, self.library.vet, lambda book: self._rates(book, view), lists=view.lookups.lists.names
        )

    def warnings_on(self, ruleset: RuleSet) -> list[str]:
        """What should be read before these rules take effect."""
        view = self.view()
        return warnings_of(self._rates(ruleset, view)) + missing_lists(ruleset, view.lookups.lists.names())

    def impact(self, digest: str) -> Impact:
        """What recent payments' outcomes would be if a kept model were the champion; it changes nothing."""
        return impact_of(self.store, self.library.stored_models, self.view(), digest)

    def _rates(self, ruleset: RuleSet, view: View) -> list[Rate]:
        heard, lookups = self.library.compile(all_heard(ruleset)), view.lookups
        return with_modes(measured_rates(self.store.log, heard, lookups.seed, reference=lookups), ruleset)

    def _activate(self, change: EventBatch) -> int:
        offset = self.runner.pipeline.offset
        self.runner.commit([self.runner.activate(change)])
        return offset

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
) -> Iterator[Session]:
    """The store in a folder, made if need be, ready to decide; a snapshot is kept when all went well.

    With `require_approval` a changed rule book waits for a second person, where it came from whatever.
    `progress` hears of events replayed and to replay. `StoreError` if another process writes there.
    """
    clock, settings = SystemClock(), load_settings()
    with Store.open(folder) as store:
        register(store, definitions, clock.now_ms())
        digest = definitions.rules.ruleset.digest
        if store.remembered(FIRST_RULES) is None:
            store.remember(FIRST_RULES, digest)
            store.remember(FILE_RULES, digest)
        library = StoredLibrary(store, definitions)
        pipeline = Pipeline(definitions.spec, definitions.rules, store.meta.hash_seed, library=library)
        pipeline.expect(Part.RULES, store.remembered(FIRST_RULES) or digest)
        runner = Runner(store, pipeline, clock, Snapshots(store.snapshots), snapshotting)
        warnings = [*store.remarks, *runner.recover(progress)]
        session = Session(
            store,
            runner,
            definitions,
            Tokenizer(store.meta.token_key, Norms(settings.null_values, settings.keep_values)),
            clock,
            warnings,
            library,
            require_approval,
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
            desk.promote(artifact.digest, Signed("file", session.clock.now_ms(), artifact.manifest.name))
        store.remember(FILE_MODEL, artifact.digest)
    store.remember(IN_FORCE, session.runner.pipeline.versions[Part.MODELS])


def register(store: Store, definitions: Definitions, now_ms: int) -> None:
    """Keep the versions that decisions will name."""
    spec, ruleset = definitions.spec, definitions.rules.ruleset
    store.registry.register("features", spec.digest, spec.to_json(), now_ms)
    store.registry.register("rules", ruleset.digest, ruleset.to_json(), now_ms)


def registered_rules(store: Store, digest: str) -> RuleSet | None:
    """The rule set that a decision names."""
    found = store.registry.find("rules", digest)
    return RuleSet.from_json(found.body) if found else None


def registered_spec(store: Store, digest: str) -> FeatureSpec | None:
    """The specification that a decision names."""
    found = store.registry.find("features", digest)
    return FeatureSpec.from_json(found.body) if found else None


def registered_mapping(store: Store, name: str) -> Mapping:
    """The mapping by which a quarantined record was read; of several with one name, the latest."""
    if name in SHIPPED:
        return load_mapping(name)
    for version in reversed(store.registry.versions("mapping")):
        mapping = msgspec.json.decode(version.body, type=Mapping)
        if mapping.name == name:
            return mapping
    raise InputError(f"mapping {name!r} is not known here: name its file with --mapping")
