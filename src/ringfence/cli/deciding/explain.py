"""`ringfence explain`: a decision taken apart, rule by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.deciding.decisions import open_lake
from ringfence.cli.terminal import options, screen
from ringfence.compose.deciding.questions import explain as explain_decision
from ringfence.compose.folder.store import tokenizer_of
from ringfence.errors import InputError
from ringfence.scoring.language.words import percent

if TYPE_CHECKING:
    from ringfence.analysis.clearing import Clearing
    from ringfence.analysis.condition_parts import ExpressionPart
    from ringfence.analysis.explain import Explanation, RuleWhy, TypologyWhy

_MARK = {True: "✓", False: "✗", None: "?"}
_JOINT = {"all": "all of", "any": "any of", "not": "not"}


def explain(
    transaction_id: Annotated[str, typer.Argument(help="The transaction's id.", metavar="ID")],
    data: options.Data = None,
    every: Annotated[bool, typer.Option("--all", help="Show the rules that did not fire, too.")] = False,
    json: options.Json = False,
) -> None:
    """Explain a decision: each rule's parts with their values, and what would have had to differ.

    Of rules about windows of time it says when a payment like this one would no longer meet them, if nothing
    else is paid until then.

    Example: ringfence explain 755e4e8350ec4a3e9309727574c97726
    """
    with open_lake(data) as (store, lake):
        transaction_id = tokenizer_of(store).as_kept("transaction_id", transaction_id)
        found = lake.find_decision(transaction_id)
        if found is None:
            raise InputError(
                f"no decision on transaction {transaction_id!r}: `ringfence decisions` lists them"
            )
        told = explain_decision(store, found, every=every)
    if json:
        screen.show_json(told)
        return
    _show(told)


def _show(told: Explanation) -> None:
    screen.show(
        f"{told.outcome.upper()}  score {told.score:.0f}  transaction {told.transaction_id}",
        f"bold {screen.OUTCOME_STYLES[told.outcome]}",
    )
    screen.show(told.verdict)
    screen.show(f"the score is made of: {told.score_from}")
    if told.probability is not None:
        screen.show(f"fraud probability by the model: {percent(told.probability)}")
        for factor in told.factors:
            screen.show(f"  {factor.weight:+.2f} log-odds  {factor.input}")
    for reason in told.besides:
        screen.show(f"  {reason.analyst} ({reason.code})")
    for rule in told.rules:
        _show_rule(rule)
    if not told.rules:
        screen.show("No rule fired. --all shows what each would have taken.")
    for typology in told.typologies:
        _show_typology(typology)
    for note in told.notes:
        screen.show(f"· {note}")


def _show_rule(rule: RuleWhy) -> None:
    asks = [
        rule.outcome or "",
        f"{rule.points:+g} points" if rule.points else "",
        rule.mode.replace("active", ""),
    ]
    screen.show()
    fired = "fired" if rule.fired else "did not fire"
    screen.show(f"Rule {rule.id} {fired}: {', '.join(word for word in asks if word)}", "bold")
    if rule.fired and rule.analyst:
        screen.show(f"  {rule.analyst}")
    _show_part(rule.condition, 1)
    if rule.differ:
        screen.show("  it would have been otherwise with" if rule.fired else "  it would have fired with")
        for number, way in enumerate(rule.differ):
            screen.show(f"    {'or ' if number else ''}{' and '.join(way)}")
    if rule.outcome_without is not None:
        screen.show(f"  without this rule: {rule.outcome_without}, score {rule.score_without:.0f}")
    if rule.clears is not None:
        screen.show(f"  {_clearing(rule.clears)}")


def _clearing(clearing: Clearing) -> str:
    about = "" if clearing.exact else "about "
    if clearing.at_ms is None:
        return "a payment like this one would trigger it at any later time, too"
    moment = screen.format_time(clearing.at_ms)
    return f"stops triggering {about}{moment} UTC for a payment like this one, if none is made before"


def _show_part(part: ExpressionPart, depth: int) -> None:
    mark = _MARK[part.holds]
    if part.parts:
        screen.show(f"{'  ' * depth}{mark} {_JOINT[part.kind]}")
        for one in part.parts:
            _show_part(one, depth + 1)
    else:
        screen.show(f"{'  ' * depth}{mark} {part.shown}")


def _show_typology(typology: TypologyWhy) -> None:
    screen.show()
    screen.show(f"Typology {typology.id}: score {typology.score:.0f}, acts at {typology.at:g}", "bold")
    for signal in typology.signals:
        screen.show(f"  {_MARK[signal.holds]} {signal.weight:+g}  {signal.text or signal.condition.text}")
        if signal.holds:
            _show_part(signal.condition, 3)
