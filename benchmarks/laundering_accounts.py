"""Signals of transfers, gathered by account: what the AMLSim sets have labels for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST, CUT = 30, 90
"""Days: what an account does from FIRST to CUT is learned from, what it does from CUT on is the test."""


@dataclass(frozen=True)
class Part:
    """Rows for accounts, once for either period; `train` and `test` say which belong to which."""

    inputs: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


def accounts(
    payer: NDArray[Any],
    payee: NDArray[Any],
    day: NDArray[Any],
    found: dict[str, NDArray[np.float64]],
    nodes: dict[str, list[Any]],
) -> Part:
    """Largest and mean signal of what an account paid and was paid, in both periods.

    An account counts as laundering in the period of its first laundered transfer, and is left out of a later
    one. Those whose transfers the file does not tell are left out.
    """
    many = len(nodes["nodeid"])
    fraud, step = np.zeros(many, np.bool_), np.full(many, -1)
    fraud[nodes["nodeid"]] = np.array(nodes["isFraud"]) == 1
    step[nodes["nodeid"]] = nodes["fraudStep"]
    laundered = fraud[payer] & fraud[payee] & (step[payer] == day)
    event = np.full(many, 1 << 30)
    for side in (payer, payee):
        np.minimum.at(event, side[laundered], day[laundered])
    event[event == 1 << 30] = -1
    unknown = fraud & (event < 0)
    inputs, labels, asked = [], [], []
    for begin, end in ((FIRST, CUT), (CUT, int(day.max()) + 1)):
        inside = (day >= begin) & (day < end)
        inputs.append(_gathered(payer[inside], payee[inside], {k: v[inside] for k, v in found.items()}, many))
        active = np.isin(np.arange(many), np.concatenate([payer[inside], payee[inside]]))
        labels.append((event >= begin) & (event < end))
        asked.append(active & ~unknown & ~((event >= 0) & (event < begin)))
    never = np.zeros(many, np.bool_)
    return Part(
        np.concatenate(inputs),
        np.concatenate(labels),
        np.concatenate([asked[0], never]),
        np.concatenate([never, asked[1]]),
    )


def _gathered(
    payer: NDArray[Any], payee: NDArray[Any], found: dict[str, NDArray[np.float64]], many: int
) -> NDArray[np.float64]:
    columns = []
    for side in (payer, payee):
        count = np.bincount(side, minlength=many)
        columns.append(count.astype(np.float64))
        for values in found.values():
            known = np.nan_to_num(values)
            most = np.zeros(many)
            np.maximum.at(most, side, known)
            columns += [most, np.bincount(side, known, many) / np.maximum(count, 1)]
    return np.column_stack(columns)
