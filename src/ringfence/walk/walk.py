"""The state of all stages along one log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ringfence.errors import SpecError
from ringfence.walk.passage import Passage
from ringfence.walk.stage import Stage
from ringfence.walk.stages import STAGES, Enrich

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.reference import Reference

S = TypeVar("S", bound="Stage")


class Walk:
    """What the events before `offset` have taught every stage. One thread at a time.

    Attributes:
        offset: of the next event.
        seconds: spent so far by verb, on `stopwatch`; shared with whoever counts on.

    >>> from ringfence.events.batch import EventBatch
    >>> from ringfence.features.spec import FeatureSpec, entity
    >>> import pyarrow as pa
    >>> columns = {"kind": pa.array([0, 0], pa.uint8()), "event_time_ms": [0, 1], "card_id": ["a", "a"]}
    >>> walk = Walk(FeatureSpec.of(entity("card").count("1h")))
    >>> [run.features.tolist() for run in walk.over(EventBatch(pa.RecordBatch.from_pydict(columns)))]
    [[[1.0, 2.0]]]
    >>> walk.offset
    2
    """

    def __init__(
        self, spec: FeatureSpec, seed: int = 0, stopwatch: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`seed` keys the hashes of ids; one log keeps one seed. `stopwatch` gives seconds."""
        self.spec = spec
        self.seed = seed
        self.offset = 0
        self.stopwatch = stopwatch
        self._take([kind.fresh(spec, seed) for kind in STAGES])
        names = tuple(name for stage in self.stages for name in stage.names)
        if names != spec.names:
            raise SpecError(f"the stages measure {names}, the specification names {spec.names}")
        self.seconds = dict.fromkeys((stage.verb for stage in self.stages), 0.0)

    def _take(self, stages: list[Stage]) -> None:
        self.stages = stages
        self._by_kind: dict[type[Stage], Stage] = {type(stage): stage for stage in stages}
        self._measuring = [one for one in stages if type(one).measure is not Stage.measure]
        self._hearing = [one for one in stages if type(one).hear is not Stage.hear]

    def stage(self, kind: type[S]) -> S:
        """The one of this kind."""
        found = self._by_kind[kind]
        assert isinstance(found, kind)
        return found

    @property
    def reference(self) -> Reference:
        """Lists, flags and profiles, as they are now."""
        return self.stage(Enrich).reference

    def prepare(self, events: EventBatch) -> None:
        """Have each stage work out beforehand what needs no state; on any thread."""
        for stage in self.stages:
            stage.prepare(events)

    def over(self, events: EventBatch, known: NDArray[np.float64] | None = None) -> Passage:
        """Take the next batch of the log: iterate, to the end, over the runs of payments that it holds.

        `known` is what all stages would measure, where that is at hand: then none does.
        """
        return Passage(self, events, known)

    def absorb(self, events: EventBatch, known: NDArray[np.float64] | None = None) -> None:
        """Take the next batch of the log for what it teaches; nobody asks about its payments."""
        for _ in self.over(events, known):
            pass

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """What every stage says of the payments of a batch, float64 (features, payments)."""
        parts = [self.timed(stage.verb, stage.measure, events) for stage in self._measuring]
        saying = [part for part in parts if len(part)]
        return np.concatenate(saying) if len(saying) > 1 else (saying or parts)[0]

    def hear(self, events: EventBatch, offset: int, *, control: bool) -> list[pa.RecordBatch]:
        """Tell every stage of a run of events; what it means for earlier payments."""
        found = (
            self.timed(stage.verb, stage.hear, events, offset, control=control) for stage in self._hearing
        )
        return [one for one in found if one is not None and one.num_rows]

    def timed(self, verb: str, act: Any, *args: Any, **more: Any) -> Any:
        """What `act` returns; its time is counted under `verb`."""
        begin = self.stopwatch()
        result = act(*args, **more)
        self.seconds[verb] += self.stopwatch() - begin
        return result

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Views of the state behind `offset`, for a snapshot; they change with the next event."""
        return {
            f"{stage.name}.{name}": array for stage in self.stages for name, array in stage.arrays().items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], offset: int) -> None:
        """Go on from the `arrays` of a walk with the same specification and seed, taken at `offset`.

        All of it or nothing: the error of the stage that cannot read its own.
        """
        self._take([kind.restored(self.spec, self.seed, part(arrays, f"{kind.name}.")) for kind in STAGES])
        self.offset = offset


def part(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
