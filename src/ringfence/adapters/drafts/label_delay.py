"""How long reports of fraud take: told by a column of when each came, or else assumed and said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.events.values.times import NO_TIME, to_ms
from ringfence.features.durations import DAY_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_ASSUMED: Final = "7d"
_USUAL: Final = 0.95  # of the reports have come by then
_FEWEST: Final = 5
_LONGEST_DAYS: Final = 366
_FEW: Final = 0.5  # of the rows: more than those have no report of fraud
_LABELLED: Final = frozenset({"labelled", "labeled", "label"})
_REPORTED: Final = frozenset(
    "reported report confirmed confirmation investigated detected gemeldet meldung".split()  # noqa: SIM905
)


def choose_label_delay(desk: DraftDesk) -> None:
    """Fills the label's `delay`, once it is known which column is the time of the payment."""
    label = desk.plan.label
    if label is None:
        return
    for column in desk.sample.columns.values():
        days = _usual_days(desk, column) if _tells_reports(column) else None
        if days is not None:
            label["delay"] = f"{days}d"
            if column.name in desk.left:
                desk.take(column.name)
                desk.plan.left_out[column.name] = "it is known only after the payment"
            desk.plan.remarks.append(
                f"{column.name} says when fraud was reported: 95 of 100 reports came within {days}d, "
                "which is taken as the label's delay"
            )
            return
    label["delay"] = _ASSUMED
    desk.plan.remarks.append(
        f"no column says when fraud was reported: {label['column']} is taken as known {_ASSUMED} after the "
        "payment. Write how long reports really take: a shorter delay lets features and models see labels "
        "that nobody had yet, a longer one makes them see frauds late"
    )


def _tells_reports(column: Column) -> bool:
    words = set(column.words)
    about = column.meanings & {"fraud", "dispute"} or words & _REPORTED
    told = words & _LABELLED or (about and column.filled <= _FEW)
    return bool(told) and column.moments is not None


def _usual_days(desk: DraftDesk, column: Column) -> int | None:
    """Whole days within which most reports came; None where the column is no time of theirs."""
    paid, reported = _times(desk, desk.plan.fields.get("event_time")), _times(desk, _source_of(column))
    if paid is None or reported is None:
        return None
    waited = (reported - paid)[(paid != NO_TIME) & (reported != NO_TIME)]
    if len(waited) < _FEWEST or (waited < -DAY_MS).any():
        return None
    days = -(-int(np.quantile(np.maximum(waited, 0), _USUAL, method="inverted_cdf")) // DAY_MS)
    return days if days <= _LONGEST_DAYS else None


def _source_of(column: Column) -> dict[str, Any]:
    return {"column": column.name, "format": column.moments.form if column.moments else "iso"}


def _times(desk: DraftDesk, source: Any) -> NDArray[np.int64] | None:
    """Milliseconds of each row that was looked at; None where they only count from some beginning.

    A zone makes no difference between two times of one source.
    """
    options: dict[str, Any] = source if isinstance(source, dict) else {"column": source}
    parts = options.get("join", [options.get("column", "")])
    if any(name not in desk.sample.columns for name in parts) or "offset_s" in options:
        return None
    columns = [desk.sample.columns[name] for name in parts]
    cells = ([one.at(row) for one in columns] for row in range(desk.sample.rows))
    texts = [None if None in row else " ".join(map(str, row)) for row in cells]
    ms, bad = to_ms(pa.array(texts, pa.string()), options.get("format", "iso"), "UTC")
    return np.where(bad, NO_TIME, ms)
