"""`ringfence rules tune` and `ringfence rules typologies`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from ringfence.analysis.tune import USUAL_COSTS, TuningCosts
from ringfence.analysis.tune import tune as run_tune
from ringfence.cli.policy.backtest import Begin, End
from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.questions import bands_of, tuning
from ringfence.compose.folder.store import open_store
from ringfence.errors import InputError
from ringfence.library import load_rules
from ringfence.scoring.rulesets.typologies import SHIPPED, shipped_typology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.analysis.tunable_numbers import Tunable
    from ringfence.analysis.tune import Tuned, TunePoint

_STEPS = 12
_BAR = 20


def tune(
    rule: Annotated[str, typer.Argument(help="The rule or typology.", metavar="ID")],
    data: options.Data = None,
    parameter: Annotated[
        str | None,
        typer.Option(
            help="Which number of it: a parameter's name, or the name that the number is compared with. "
            "[default: the only one]",
            show_default=False,
        ),
    ] = None,
    low: Annotated[
        float | None,
        typer.Option(help="Lowest value. [default: a quarter of the present one]", show_default=False),
    ] = None,
    high: Annotated[
        float | None, typer.Option(help="To here. [default: three times]", show_default=False)
    ] = None,
    steps: Annotated[int, typer.Option(help="So many values.", min=2, max=60)] = _STEPS,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules", "-r", help="Your own rule book. [default: the active one]", show_default=False
        ),
    ] = None,
    begin: Begin = None,
    end: End = None,
    alert_cost: Annotated[float, typer.Option(help="Cost of an alert, major units.")] = USUAL_COSTS.alert,
    good_cost: Annotated[
        float, typer.Option(help="Cost of stopping a good payment, major units.")
    ] = USUAL_COSTS.good,
    json: options.Json = False,
) -> None:
    """Try a number of a rule over a range, on the past: precision, recall and cost for each value.

    Cost is that of the whole rule set: fraud that it misses, alerts, and good payments that it stops. Changes
    nothing.

    Example: ringfence rules tune card_testing --parameter card.count_small_10m --low 2 --high 10
    """
    times = options.parse_time_ms(begin, "--from"), options.parse_time_ms(end, "--to")
    book = load_rules(rules) if rules else None

    def span(which: Tunable) -> Sequence[float]:
        return _values(which, low, high, steps)

    with open_store(options.folder(data), read_only=True) as store, screen.progress("tuning") as tell:
        past, what = tuning(store, rule, parameter, span, ruleset=book, times=times)
        tuned = run_tune(
            past,
            what,
            costs=TuningCosts(alert_cost, good_cost),
            progress=lambda done, total: tell(done, total, ""),
            bands_of=bands_of(store),
        )
    if not tuned.payments:
        raise InputError("no decided payment falls into this time: `ringfence topics` says what there is")
    if json:
        screen.show_json(tuned)
    else:
        _show(tuned)


def _values(which: Tunable, low: float | None, high: float | None, steps: int) -> Sequence[float]:
    """Evenly spaced, the present value among them; whole numbers where that is one and the span is wide."""
    begin = which.value / 4 if low is None else low
    end = (3 * which.value if which.value else 1.0) if high is None else high
    if end < begin:
        raise InputError(f"--low {begin:g} is above --high {end:g}")
    values = np.linspace(begin, end, steps)
    if float(which.value).is_integer() and end - begin >= 2:
        values = np.unique(np.rint(values))
    inside = [which.value] if begin <= which.value <= end else []
    return sorted({*values.tolist(), *inside})


def _show(tuned: Tuned) -> None:
    screen.show(
        f"{tuned.rule}: {tuned.parameter}, now {tuned.current:g}, over {tuned.payments:,} payments of "
        f"{tuned.days:,.1f} days, {tuned.labelled_fraud:,} labelled fraud",
        "bold",
    )
    most = max(one.cost for one in tuned.points) or 1.0
    columns = [
        "value",
        "fired",
        "fraud",
        "precision %",
        "recall %",
        "alerts/day",
        "good stopped",
        "missed",
        "cost",
    ]
    screen.show_table([*columns, ""], (_row(one, tuned, most) for one in tuned.points), columns)
    screen.show(f"least cost at {tuned.best:g}")
    if not tuned.labelled_fraud:
        screen.show("No payment of this time is labelled fraud: precision, recall and cost say nothing yet.")


def _row(one: TunePoint, tuned: Tuned, most: float) -> tuple[object, ...]:
    mark = "← now" if one.value == tuned.current else ""
    mark = "← best" if one.value == tuned.best else mark
    return (
        f"{one.value:g}",
        one.fired,
        one.fraud,
        str(one.precision).replace(" %", ""),
        str(one.recall).replace(" %", ""),
        f"{one.alerts_per_day:,.1f}",
        one.good_stopped,
        f"{one.fraud_missed:,.0f}",
        f"{one.cost:,.0f}",
        f"{'█' * max(round(_BAR * one.cost / most), 1)} {mark}",
    )


def typologies(
    typology: Annotated[str | None, typer.Argument(help="Show one of them in full.", metavar="ID")] = None,
    json: options.Json = False,
) -> None:
    """List the typologies that come with Ringfence, or one with its signals and parameters.

    A rule book takes one with `typologies: [{use: ID, parameters: {...}}]`.

    Example: ringfence rules typologies card_testing
    """
    if typology is None:
        every = [shipped_typology(one) for one in SHIPPED]
        if json:
            for one in every:
                screen.show_json(msgspec.to_builtins(one))
            return
        rows = [(one.id, f"{one.at:g}", one.outcome, one.description.split(". ")[0] + ".") for one in every]
        screen.show_table(["typology", "acts at", "outcome", "what happens"], rows, ["acts at"])
        return
    found = shipped_typology(typology)
    if json:
        screen.show_json(msgspec.to_builtins(found))
        return
    screen.show(f"{found.title} ({found.id}): {found.outcome} from a score of {found.at:g}", "bold")
    screen.show(found.description)
    screen.show()
    screen.show_table(
        ["parameter", "value"], [(name, f"{value}") for name, value in found.parameters.items()]
    )
    screen.show()
    signals = [(f"{one.weight:+g}", one.text, one.when) for one in found.signals]
    screen.show_table(["weight", "sign", "condition"], signals, ["weight"])
