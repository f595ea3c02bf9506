"""A stage as a keyed function."""

from __future__ import annotations

import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import MapStateDescriptor

from ringfence_flink.state import KeyedState
from ringfence_flink.topology import CODES, HEAD, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyflink.datastream import RuntimeContext

_ONE_AT_A_TIME = threading.Lock()  # operators of one process are threads of one interpreter


class StageOperator(KeyedProcessFunction):
    """The stages of one name, one for each key that has come here."""

    def __init__(self, name: str, plan: str) -> None:
        """`plan` is the file that holds it."""
        self._name = name
        self._path = plan

    def open(self, runtime_context: RuntimeContext) -> None:
        """See Flink."""
        with _ONE_AT_A_TIME:
            self._plan = _loaded(self._path)
        from ringfence.sharded import stage_of  # noqa: PLC0415 (comes with the plan)
        from ringfence_flink.outgoing import records_of  # noqa: PLC0415 (likewise)

        self._made = stage_of
        self._records_of = records_of
        described = MapStateDescriptor("kept", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._state = KeyedState(runtime_context.get_map_state(described))
        self._stages: dict[int, Any] = {}

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:  # noqa: ARG002 (Flink's)
        """One element for a stage; the elements that it leads to."""
        element = bytes(value)
        _, key = HEAD.unpack_from(element)
        stage = self._stages.get(key)
        if stage is None:
            with _ONE_AT_A_TIME:
                stage = self._stages[key] = self._made(self._plan, self._name, key, self._state)
        for to, other, data in stage.take(element[HEAD.size :]):
            out = self._records_of(to, data) if to in OUTPUTS else data
            yield HEAD.pack(CODES[to], other) + out


@cache
def _loaded(path: str) -> Any:
    """The plan in a file, once for a process: kernels and models are shared by all its stages.

    A package has it beside Ringfence and what that needs, in an archive that Flink unpacks where workers run.
    """
    file = Path(path)
    if not file.is_absolute():
        sys.path.insert(0, str(file.parent.absolute()))
    from ringfence.compose.flink_host.sharded import plan_of  # noqa: PLC0415 (clients that submit a job need none of it)

    return plan_of(file.read_bytes())
