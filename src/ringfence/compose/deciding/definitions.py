"""What a project measures and how it judges: from its files, or shipped."""

from __future__ import annotations

import runpy
import sys
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.adapters.artifacts import read_folder
from ringfence.adapters.files import read_original
from ringfence.compose.clock import SystemClock
from ringfence.errors import InputError, SpecError
from ringfence.events.batch import EventBatch
from ringfence.events.ids.seen import SeenIds
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features import growth
from ringfence.features.catalog import CATALOG
from ringfence.features.precompile import compiled_side_by_side
from ringfence.features.spec import FeatureSpec
from ringfence.graph import growth as graph_growth
from ringfence.graph.program import compiled as compiled_graph
from ringfence.library import load_rules
from ringfence.pipeline import Pipeline
from ringfence.scoring.columns import Columns
from ringfence.scoring.rulesets.books import default_book
from ringfence.scoring.rulesets.possible import check_possible
from ringfence.scoring.rulesets.rules import CompiledRules, LeftOut, compile_rules, fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.scoring.artifacts.artifact import Artifact

SHIPPED_CATALOG = "the shipped catalog"
SHIPPED_BOOK = "the shipped rule book"


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

    `observing` as of `compiled_side_by_side`: so does a process that serves. It also loads what the first
    table that grows would wait for.
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
    if observing:
        growth.load()
        if definitions.spec.graph is not None:
            graph_growth.load(compiled_graph(definitions.spec.graph))


def load_spec(path: Path) -> FeatureSpec:
    """The specification that a Python file assigns to `spec`; `SpecError` says what the file lacks."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: a specification is a Python file that assigns `spec`")
    try:
        with _beside(path):
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


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Modules that lie beside a file may be imported by it, as by a script."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(folder)


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {frames[-1].lineno}" if frames else ""
