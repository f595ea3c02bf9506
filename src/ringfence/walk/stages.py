"""The stages, in order: what is here is carried by everything that goes along a log.

To add one, such as a graph of who shares what with whom:

1. Write a `Stage` in a module of its own. Its state is NumPy arrays; `measure` is one compiled pass over
   columns (`EventBatch.hashes` gives the keys, `prepare` has them hashed ahead); `arrays` and `restored`
   give and take the state, under `name`.
2. Have `FeatureSpec.names` name what it measures, behind the names of the stages before it: so rules and
   models may ask for it, and decisions keep it. A specification that names none of it costs nothing: let
   `measure` return at once. Its settings belong into the specification's digest, so that no state is restored
   that was measured otherwise.
3. Put it into `STAGES`.

Recovery, replay, backtest, training, a decision made again and snapshots need no word about it. A store that
was decided without the stage starts from the beginning of its log, as with any other change of features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from ringfence.features.engine import Engine
from ringfence.graph.network import Network
from ringfence.scoring.reference import Reference
from ringfence.walk.lives import Lives
from ringfence.walk.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec


class Measure(Stage):
    """The feature engine.

    `clock` is the stream's clock after each payment of the batch that was measured last, int64.
    """

    name: ClassVar[str] = "engine"
    verb: ClassVar[str] = "measure"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.names = tuple(feature.name for feature in engine.spec.features)
        self.clock = np.empty(0, np.int64)

    @classmethod
    def fresh(cls, spec: FeatureSpec, seed: int) -> Self:
        """See `Stage.fresh`."""
        return cls(Engine(spec.of_payments, seed))

    def prepare(self, events: EventBatch) -> None:
        """See `Stage.prepare`."""
        self.engine.hash(events)

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """See `Stage.measure`."""
        self.clock = self.engine.advance(events)
        return self.engine.measure(events, self.clock)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Stage.arrays`."""
        return self.engine.arrays()

    @classmethod
    def restored(cls, spec: FeatureSpec, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See `Stage.restored`."""
        return cls(Engine.from_arrays(spec.of_payments, seed, arrays))


class Connect(Stage):
    """The entity graph; without one in the specification `network` is None, and nothing is done."""

    name: ClassVar[str] = "graph"
    verb: ClassVar[str] = "link"

    def __init__(self, network: Network | None) -> None:
        self.network = network
        self.names = () if network is None else network.graph.names

    @classmethod
    def fresh(cls, spec: FeatureSpec, seed: int) -> Self:
        """See `Stage.fresh`."""
        return cls(None if spec.graph is None else Network(spec.graph, seed))

    def prepare(self, events: EventBatch) -> None:
        """See `Stage.prepare`."""
        if self.network is not None:
            self.network.hash(events)

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """See `Stage.measure`."""
        return _NOTHING if self.network is None else self.network.measure(events)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Stage.arrays`."""
        return {} if self.network is None else self.network.arrays()

    @classmethod
    def restored(cls, spec: FeatureSpec, seed: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See `Stage.restored`."""
        return cls(None if spec.graph is None else Network.from_arrays(spec.graph, seed, arrays))


class Enrich(Stage):
    """Profiles, lists and flags: not measured ahead but looked up in `reference` when a payment is judged."""

    name: ClassVar[str] = "reference"
    verb: ClassVar[str] = "enrich"

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    @classmethod
    def fresh(cls, spec: FeatureSpec, seed: int) -> Self:  # noqa: ARG003 (the same of all features)
        """See `Stage.fresh`."""
        return cls(Reference(seed))

    def hear(self, events: EventBatch, offset: int, *, control: bool) -> pa.RecordBatch | None:
        """See `Stage.hear`."""
        if control:
            return self.reference.apply(events, offset)
        self.reference.remember(events, offset)
        return None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Stage.arrays`."""
        return self.reference.to_arrays()

    @classmethod
    def restored(
        cls,
        spec: FeatureSpec,  # noqa: ARG003 (the same of all features)
        seed: int,
        arrays: Mapping[str, NDArray[Any]],
    ) -> Self:
        """See `Stage.restored`."""
        return cls(Reference.from_arrays(dict(arrays), seed))


_NOTHING: Final = np.empty((0, 0))  # of no names

STAGES: Final[list[type[Stage]]] = [Measure, Lives, Connect, Enrich]
"""The one list."""
