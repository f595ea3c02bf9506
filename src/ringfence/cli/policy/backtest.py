"""`ringfence backtest`: what another rule book would have done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.analysis.page import page
from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.definitions import load_spec
from ringfence.compose.deciding.questions import backtest_of
from ringfence.compose.folder.store import open_store
from ringfence.library import load_rules
from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from ringfence.analysis.report import Report, RuleResult, Side

Begin = Annotated[
    str | None, typer.Option("--from", help="Only from this event time on (UTC).", metavar="TIME")
]
End = Annotated[str | None, typer.Option("--to", help="Only before this event time (UTC).", metavar="TIME")]
_MOST_RULES = 40


def backtest(
    rules: Annotated[Path, typer.Option("--rules", "-r", help="The rule book to try.", metavar="FILE.yaml")],
    data: options.Data = None,
    begin: Begin = None,
    end: End = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            "-f",
            help="Python file that assigns `spec`, for rules that ask for new features: those are measured "
            "over the whole log, point in time. [default: those of the newest decision]",
            metavar="FILE.py",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as a page of its own, too.", metavar="FILE.html")
    ] = None,
    json: options.Json = False,
) -> None:
    """Try a rule book on the past, against the one in force and against labels. Changes nothing.

    Says which outcomes would change, fraud caught and missed, good customers hit, alerts a day, and for each
    rule its precision, recall, overlap and what it alone would add, and how sure all that is.

    Example: ringfence backtest --rules rules.yaml --from 2024-05-01
    """
    span = options.parse_time_ms(begin, "--from"), options.parse_time_ms(end, "--to")
    with open_store(options.folder(data), read_only=True) as store, screen.progress("backtest") as tell:
        report = backtest_of(
            store,
            load_rules(rules),
            load_spec(features) if features else None,
            span,
            lambda done, total: tell(done, total, ""),
        )
    if html is not None:
        html.write_text(page(report, str(rules)), "utf-8")
    if json:
        screen.show_json(report)
    else:
        show(report)
    if html is not None:
        screen.say(f"Report written to {html}")


def show(report: Report) -> None:
    """The report as tables."""
    screen.show(
        f"{report.payments:,} payments from {report.begin} to {report.end} ({report.days:,.1f} days) in "
        f"{report.seconds:,.1f} s, {report.payments / max(report.seconds, 1e-9):,.0f}/s",
        "bold",
    )
    if report.measured:
        screen.show(f"measured again, point in time: {', '.join(report.measured)}")
    screen.show()
    screen.show_table(["", "in force", "new"], _sides(report), ["in force", "new"])
    for money in report.money:
        screen.show()
        screen.show_table(
            [money.currency or "no currency", "in force", "new"],
            [
                (name, *(f"{sums[side]:,.2f}" for side in ("active", "new")))
                for name, sums in (
                    ("fraud caught", money.caught),
                    ("fraud missed", money.missed),
                    ("good payments stopped", money.good_stopped),
                )
            ],
            ["in force", "new"],
        )
    screen.show()
    columns = ["in force \\ new", *OUTCOMES]
    screen.show_table(
        columns, [(name, *row) for name, row in zip(OUTCOMES, report.changed, strict=True)], columns[1:]
    )
    for kind, ids in report.examples.items():
        screen.show(f"  {kind}: {', '.join(ids)}")
    screen.show()
    _show_rules(report)
    if report.removed:
        screen.show(f"not in the new set: {', '.join(report.removed)}")
    if report.control is not None:
        _show_control(report)
    screen.show()
    for note in report.notes:
        screen.show(f"· {note}")


def _sides(report: Report) -> list[tuple[object, ...]]:
    sides = (report.active, report.new)
    return [
        ("rule set", *(side.digest for side in sides)),
        *((name, *(side.outcomes[name] for side in sides)) for name in map(str, OUTCOMES)),
        ("alerts a day (review, decline)", *(f"{side.alerts_per_day:,.1f}" for side in sides)),
        ("stopped (all but approve)", *(side.stopped for side in sides)),
        ("of it fraud", *map(_caught, sides)),
        ("precision", *(side.precision for side in sides)),
        ("recall", *(side.recall for side in sides)),
        ("good customers hit", *(side.good_customers_hit for side in sides)),
    ]


def _caught(side: Side) -> int:
    return sum(side.fraud.values()) - side.fraud[OUTCOMES[0]]


def _show_rules(report: Report) -> None:
    fired = sorted((rule for rule in report.rules if rule.fired), key=lambda rule: -rule.fired)
    names = [
        "rule",
        "",
        "fired",
        "a day",
        "fraud",
        "precision %",
        "recall %",
        "overlap",
        "only",
        "of it fraud",
    ]
    screen.show_table(names, map(_rule_row, fired[:_MOST_RULES]), names[2:])
    quiet = len(report.rules) - len(fired)
    if len(fired) > _MOST_RULES:
        screen.show(f"{len(fired) - _MOST_RULES} more rules fired: --json has them all")
    if quiet:
        screen.show(f"{quiet} rules never fired")


def _rule_row(rule: RuleResult) -> tuple[object, ...]:
    mark = " ".join(word for word in (rule.change, rule.mode) if word not in ("same", "active"))
    overlap = "" if rule.overlap is None else f"{100 * rule.overlap:.0f} %"
    return (
        rule.id,
        mark,
        rule.fired,
        f"{rule.fired_per_day:,.1f}",
        rule.fraud,
        str(rule.precision).replace(" %", ""),
        str(rule.recall).replace(" %", ""),
        overlap,
        rule.only,
        rule.only_fraud,
    )


def _show_control(report: Report) -> None:
    control = report.control
    assert control is not None
    screen.show()
    screen.show(
        f"Control group: {control.payments:,} would-be declines let through, {control.fraud:,} were fraud"
    )
    screen.show(f"  fraud among declines, estimated: {control.decline_precision}")
    screen.show(f"  precision of the new set, weighted by inverse propensity: {control.new_precision}")
