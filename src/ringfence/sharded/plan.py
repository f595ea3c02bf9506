"""What all stages of one job agree on, and what a sharded host cannot do equally: refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from ringfence.errors import RuleError, SpecError
from ringfence.features.durations import DAY_MS
from ringfence.features.engine import Engine
from ringfence.features.kernel import layout as at
from ringfence.features.program import tables_of
from ringfence.features.rows import InputRows
from ringfence.scoring.artifacts.models import NO_MODELS
from ringfence.scoring.rulesets.outcomes import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.events.activation import Part
    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.features.program import CompiledFeatures
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.models import Models
    from ringfence.scoring.rulesets.rules import CompiledRules
    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.sharded.library import ControlLibrary

MOST_SHARDS: Final = 4096
IDS_MS: Final = 30 * DAY_MS


class Decode(Protocol):
    """Reads the values of records."""

    def __call__(
        self, source: str, offsets: NDArray[np.int64], append_ms: NDArray[np.int64], values: Sequence[bytes]
    ) -> tuple[EventBatch, NDArray[np.int64], list[BadRecord]]:
        """Events of good records, the place of each one's record among the values, and what is bad.

        An event's time of receipt is that at which its record was appended.
        """
        ...


class Measured:
    """One entity: what its engines measure, and where that stands among all features.

    Attributes:
        number: among the entities of the plan.
        features: rows of the whole specification's features, int64.
        absent: what its features are where a payment has no key of it, float64 (features,).
        label_slot: number among the entities with features of labels, -1 for one without.
    """

    def __init__(self, number: int, name: str, whole: FeatureSpec, seed: int, label_slot: int) -> None:
        self.number = number
        self.spec = whole.of_entity(name)
        self.rows = InputRows(self.spec, seed)
        row_of = {feature: row for row, feature in enumerate(whole.names)}
        self.features = np.array([row_of[feature] for feature in self.spec.names], np.int64)
        self.retention_ms = whole.retention_ms(name)
        self.label_slot = label_slot
        self.absent = self._measured_without_key(seed)

    @cached_property
    def compiled(self) -> CompiledFeatures:
        """The tables of its specification."""
        return tables_of(self.spec)

    @property
    def keys(self) -> tuple[str, ...]:
        """Fields of its key."""
        return self.spec.entities[0].keys

    def _measured_without_key(self, seed: int) -> NDArray[np.float64]:
        row = np.zeros((1, self.compiled.input_columns), np.int64)
        out = np.empty((len(self.spec.features), 1))
        Engine(self.spec, seed).run(row, np.full((1, 2), np.nan), out)
        return out[:, 0]

    def label_rows(
        self,
        keys: NDArray[np.int64],
        ids: NDArray[np.int64],
        fraud: NDArray[np.int64],
        time: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Input rows of labels; `time` is the payment's, so that both are kept as long."""
        rows = np.zeros((len(keys), self.compiled.input_columns), np.int64)
        rows[:, at.IN_KIND] = at.IS_LABEL
        rows[:, at.IN_ROW] = time
        rows[:, at.IN_ROW + self.compiled.id_word] = ids
        rows[:, at.IN_ROW + self.compiled.marks_word] = fraud
        rows[:, self.compiled.key_column] = keys
        return rows


@dataclass(frozen=True)
class ShardedPlan:
    """One job: what is measured and judged, over which partitions, in how many parts.

    Attributes:
        seed: keys the hashes of ids.
        partitions: names of the partitions of all topics; their places are their numbers in the order.
        controls: numbers of the partitions that may put versions in force.
        library: has the versions that may be put in force.
        canonical: reads what servers send; as `decode` unless given.
        keys_digest: of the keys by which ids became tokens (`references.keys_of`).
        ids_ms: how long, by the partitions' clocks, an id is known again.
        now_ms: when a decision is made, for the record only.
    """

    spec: FeatureSpec
    rules: CompiledRules
    partitions: Sequence[str]
    decode: Decode
    seed: int = 0
    models: Models = NO_MODELS
    library: ControlLibrary | None = None
    canonical: Decode | None = None
    keys_digest: str = ""
    controls: frozenset[int] = frozenset()
    shards: int = 8
    id_shards: int = 2
    lanes: int = 2
    ids_ms: int = IDS_MS
    now_ms: Callable[[], int] = lambda: 0
    measured: tuple[Measured, ...] = field(init=False)

    def __post_init__(self) -> None:
        """`SpecError`, `RuleError`: what a sharded host would not do as the embedded one does."""
        check_spec(self.spec)
        check_rules(self.rules)
        for name in ("shards", "id_shards", "lanes"):
            if not 1 <= getattr(self, name) <= MOST_SHARDS:
                raise SpecError(f"{name} is between 1 and {MOST_SHARDS}, not {getattr(self, name)}")
        if not self.partitions:
            raise SpecError("a sharded host reads at least one partition: name its topics")
        found, labelled = [], 0
        for number, one in enumerate(self.spec.entities):
            needs = tables_of(self.spec.of_entity(one.name)).needs_labels
            found.append(Measured(number, one.name, self.spec, self.seed, labelled if needs else -1))
            labelled += needs
        object.__setattr__(self, "measured", tuple(found))

    @property
    def labelled(self) -> tuple[Measured, ...]:
        """Entities with features of labels."""
        return tuple(one for one in self.measured if one.label_slot >= 0)

    def keys(self, stage: str) -> int:
        """How many keys a stage has: 0 to one less."""
        return self._keys[stage]

    @cached_property
    def _keys(self) -> Mapping[str, int]:
        return {
            "door": len(self.partitions),
            "ids": self.id_shards,
            "order": 1,
            "route": self.lanes,
            "shard": self.shards,
            "decide": self.lanes,
        }

    def learn(self, part: Part, text: str) -> None:
        """Know the text of a version that is put in force."""
        if self.library is not None:
            self.library.learn(part, text)

    def lane(self, chunk: tuple[int, int]) -> int:
        """Where a chunk is put together."""
        return (chunk[0] * 31 + chunk[1]) % self.lanes


def check_spec(spec: FeatureSpec) -> None:
    """`SpecError` for features that need what no single shard has."""
    if spec.graph is not None:
        raise SpecError(
            f"the entity graph ({', '.join(spec.graph.names[:3])}, …) joins what any shard holds: a sharded "
            "host does not measure it. Leave the graph out of features.py, or run on the embedded host"
        )
    lives = [feature.name for feature in spec.of_lifecycle.features]
    if lives:
        raise SpecError(
            f"{', '.join(lives[:3])} follow payments through captures and refunds, which a sharded host does "
            "not measure. Leave them out of features.py, or run on the embedded host"
        )


def acting_rules(ruleset: RuleSet) -> list[str]:
    """Ids of the active rules that put entries into lists."""
    return [rule.id for rule in ruleset.rules if rule.mode is Mode.ACTIVE and rule.add_to is not None]


def check_rules(rules: CompiledRules) -> None:
    """`RuleError` for rules that act on the payments behind their own."""
    acting = acting_rules(rules.ruleset)
    if acting:
        raise RuleError(
            f"rules {', '.join(acting[:3])} put entries into lists (add_to), which the very next payment "
            "must find: a sharded host cannot. Take add_to out or let them rest, or run on the embedded host"
        )
