"""The versions that a store has registered, found by the digest that decisions and the log name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ringfence.compose.deciding.models import stored_models
from ringfence.errors import InputError, StoreError
from ringfence.events.mapping import SHIPPED, load_mapping
from ringfence.events.values.vocabulary import Mapping
from ringfence.features.spec import FeatureSpec
from ringfence.scoring.rulesets.compiled_books import compiled_of
from ringfence.scoring.rulesets.possible import check_possible
from ringfence.scoring.rulesets.reason_texts import check_texts
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from ringfence.compose.deciding.definitions import Definitions
    from ringfence.scoring.artifacts.models import Models
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.store import DataFolder


class StoredLibrary:
    """`ringfence.ports.Library` over what a store has registered."""

    def __init__(self, store: DataFolder, definitions: Definitions) -> None:
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
        return compiled_of(book, self._spec)

    def models(self, digest: str) -> Models:
        """See `Library.models`."""
        return self.stored_models.models(digest)


def vet_book(book: RuleSet, spec: FeatureSpec, before: RuleSet | None = None) -> None:
    """As `compiled_of`, for rules that are written now.

    `RuleError` also for what can never be true, and for texts that nothing fills in. Rules of `before` may
    stay as they are.
    """
    compiled_of(book, spec)
    check_possible(book, spec, before=before)
    check_texts(book, spec, before)


def register(store: DataFolder, definitions: Definitions, now_ms: int) -> None:
    """Keep the versions that decisions will name."""
    spec, ruleset = definitions.spec, definitions.rules.ruleset
    store.registry.register("features", spec.digest, spec.to_json(), now_ms)
    store.registry.register("rules", ruleset.digest, ruleset.to_json(), now_ms)


def registered_rules(store: DataFolder, digest: str) -> RuleSet | None:
    """The rule set that a decision names."""
    found = store.registry.find("rules", digest)
    return RuleSet.from_json(found.body) if found else None


def registered_spec(store: DataFolder, digest: str) -> FeatureSpec | None:
    """The specification that a decision names."""
    found = store.registry.find("features", digest)
    return FeatureSpec.from_json(found.body) if found else None


def registered_mapping(store: DataFolder, name: str) -> Mapping:
    """The mapping by which a quarantined record was read; of several with one name, the latest."""
    if name in SHIPPED:
        return load_mapping(name)
    for version in reversed(store.registry.versions("mapping")):
        mapping = msgspec.json.decode(version.body, type=Mapping)
        if mapping.name == name:
            return mapping
    raise InputError(f"mapping {name!r} is not known here: name its file with --mapping")
