"""What a model service takes and gives: the record of one payment, and the forms for many.

{"age": 41, "gender_code": 1, ...}                      one payment
{"instances": [{"age": 41, ...}, ...]}                  many of them
{"inputs": ["amount", "hour"], "rows": [[12.5, 3]]}     any model, by its own inputs; null is unknown
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from ringfence.errors import InputError
from ringfence.events.repeated import repeated_fault
from ringfence.scoring.columns import local_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MOST_ROWS: Final = 100_000
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_HOUR_MS: Final = 3_600_000

Third = Literal[0, 1, 2]
Amount = Annotated[float, Meta(ge=0)]


class Payment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One payment with what is known of its customer. Unknown fields are refused."""

    age: Annotated[int, Meta(ge=0, le=120)]
    gender_code: Third
    subscription_type_code: Third
    income_bracket_code: Third
    location: Annotated[int, Meta(ge=0)]
    tenure_months: Amount
    event_created_at_ts: Annotated[float, Meta(ge=0, le=_LAST_SECOND)]  # seconds since 1970
    transaction_value: Amount
    channel_code: Literal[0, 1]


class Payments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many payments."""

    instances: Annotated[list[Payment], Meta(max_length=MOST_ROWS)]


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values of a model's own inputs, named in any order."""

    inputs: list[str]
    rows: Annotated[list[list[float | None]], Meta(max_length=MOST_ROWS)]


class Prediction(msgspec.Struct, frozen=True):
    """What the model says of one payment."""

    fraud_flag: bool
    fraud_probability: float


class Predictions(msgspec.Struct, frozen=True):
    """Of many, in order."""

    predictions: list[Prediction]


class Probabilities(msgspec.Struct, frozen=True):
    """Of rows, in order, with the version that gave them."""

    model: str
    probabilities: list[float]


class SchemaError(Exception):
    """The request is none of the forms; the message says where it departs."""


def parse(body: bytes) -> Payment | Payments | Rows:
    """The request in a body; `SchemaError` where it is none."""
    try:
        keys = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).keys()
        kind: Any = (
            Payments if "instances" in keys else Rows if "rows" in keys or "inputs" in keys else Payment
        )
        found: Payment | Payments | Rows = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SchemaError(str(error)) from error
    if (repeated := repeated_fault(body)) is not None:
        raise SchemaError(str(repeated))
    return found


def matrix_of(rows: Rows, inputs: Sequence[str]) -> NDArray[np.float64]:
    """Rows as the model takes them; `SchemaError` unless they name exactly its inputs."""
    if sorted(rows.inputs) != sorted(inputs):
        missing, more = sorted(set(inputs) - set(rows.inputs)), sorted(set(rows.inputs) - set(inputs))
        raise SchemaError(f"inputs: missing {missing[:5]}, unknown {more[:5]}; the model takes {len(inputs)}")
    width = len(inputs)
    if any(len(row) != width for row in rows.rows):
        raise SchemaError(f"rows: each holds {width} values, as many as there are inputs")
    found = np.array(rows.rows, np.float64).reshape(len(rows.rows), width)  # None becomes NaN
    return found[:, [rows.inputs.index(name) for name in inputs]]


class Reader:
    """Turns payments into a model's inputs; made once per model."""

    def __init__(self, inputs: Sequence[str], zone: str) -> None:
        """`InputError` names the inputs that the record of a payment does not carry."""
        sources = _sources(zone)
        names = [_bare(name) for name in inputs]
        unknown = [name for name, bare in zip(inputs, names, strict=True) if bare not in sources]
        if unknown:
            raise InputError(f"the record of a payment does not carry {', '.join(unknown[:5])}")
        self._columns = [sources[name] for name in names]

    def __call__(self, payments: Sequence[Payment]) -> NDArray[np.float64]:
        """Inputs (n, k)."""
        found = np.empty((len(self._columns), len(payments)))
        for row, column in enumerate(self._columns):
            found[row] = column(payments)
        return found.T


def _sources(zone: str) -> dict[str, Callable[[Sequence[Payment]], Any]]:
    def field(name: str) -> Callable[[Sequence[Payment]], Any]:
        return lambda payments: [getattr(one, name) for one in payments]

    def hours(payments: Sequence[Payment]) -> NDArray[np.float64]:
        times = np.array([round(1000 * one.event_created_at_ts) for one in payments], np.int64)
        found: NDArray[np.float64] = np.floor(local_ms(times, zone) / _HOUR_MS)
        return found

    amounts = field("transaction_value")
    return {
        **{name: field(name) for name in Payment.__struct_fields__},
        "amount": amounts,
        "cents": lambda payments: np.round(np.array(amounts(payments)) % 1 * 100, 2),
        "event_time": lambda payments: [1000 * one.event_created_at_ts for one in payments],
        "hour": lambda payments: hours(payments) % 24,
        "weekday": lambda payments: (hours(payments) // 24 + 3) % 7,  # 1970-01-01 was a Thursday
    }


def _bare(name: str) -> str:
    """`attributes.age` and `customer.profile.age` are the record's `age`."""
    return name.removeprefix("attributes.").partition(".profile.")[2] or name.removeprefix("attributes.")
