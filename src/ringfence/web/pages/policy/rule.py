"""One rule: what it has caught over time, its money, what fires with it, who changed it, and false alarms."""

# ruff: noqa: S608 - what is put into the texts is constants and digests

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ringfence.analysis.statistics import wilson
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import RecordServices, RuleServices
from ringfence.errors import RingfenceError
from ringfence.rulebook.single_rule import STAGES, stage_of
from ringfence.scoring.rulesets.duckdb_sql import quoted_text
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.web.measure.measures import STOPPED, money_of
from ringfence.web.parts.asking import beside, caller_of, dashboard_of, ends_of
from ringfence.web.parts.catching_up import TABLES, late
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.rulebook.changes import Change
    from ringfence.rulebook.difference import RuleChange
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
RuleId = Annotated[str, Path(pattern=r"^[\w.-]{1,80}$")]
_CHANGES: Final = 60  # newest versions that are compared for the edits of a rule
_EACH: Final = 10
_HITS: Final = """\
WITH hits AS (
  SELECT d.transaction_id, d.event_time, d.outcome, d.rules, d.rules_digest, t.amount, t.currency, l.is_fraud,
    list_contains(d.rules, {rule}) AS acted
  FROM decisions d
  JOIN transactions t ON t."offset" = d."offset"
  LEFT JOIN known_labels l ON l.transaction_id = d.transaction_id
  WHERE list_contains(d.rules, {rule}) OR list_contains(d.shadow_rules, {rule})
)
"""
_VERSIONS: Final = """\
SELECT rules_digest FROM decisions WHERE rules_digest IS NOT NULL
GROUP BY rules_digest ORDER BY max(event_time) DESC, rules_digest LIMIT 500"""
QUESTIONS: Final = {
    "weeks": """\
SELECT date_trunc('week', event_time)::DATE AS week, count(*) FILTER (acted) AS acted,
  count(*) FILTER (NOT acted) AS in_shadow, count(*) FILTER (is_fraud) AS fraud,
  count(is_fraud) AS labelled
FROM hits GROUP BY week ORDER BY week""",
    "stages": """\
SELECT stage, share, any_value(since_ms) AS since_ms, any_value(decided) AS decided,
  count(transaction_id) AS payments, count(*) FILTER (is_fraud) AS fraud, count(is_fraud) AS labelled
FROM (
  SELECT stage, share, epoch_ms(min(event_time)) AS since_ms, count(*) AS decided
  FROM decisions JOIN {stood} AS version(digest, stage, share) ON digest = rules_digest GROUP BY ALL
)
LEFT JOIN (hits JOIN {stood} AS version(digest, stage, share) ON digest = rules_digest) USING (stage, share)
GROUP BY stage, share ORDER BY since_ms, stage, share""",
    "money": f"""\
SELECT coalesce(currency, '') AS currency,
  {money_of("is_fraud AND acted AND " + STOPPED)} AS fraud_stopped,
  {money_of("is_fraud IS false AND acted AND " + STOPPED)} AS genuine_stopped
FROM hits GROUP BY ALL ORDER BY currency""",
    "overlap": """\
SELECT other, count(*) AS payments FROM (SELECT unnest(rules) AS other FROM hits)
WHERE other != {rule} GROUP BY other ORDER BY payments DESC, other LIMIT 10""",
    "alarms": """\
SELECT transaction_id, epoch_ms(event_time) AS event_time_ms, outcome, amount, currency
FROM hits WHERE is_fraud IS false ORDER BY event_time DESC LIMIT 10""",
}
"""What is asked of the payments on which a rule fired, by panel."""


class Edit(NamedTuple):
    """A version that changed the rule."""

    change: Change
    what: RuleChange


class Stood(NamedTuple):
    """A version of the rules, the stage of a rule in it, and for which share of its entities it acts."""

    digest: str
    stage: str
    share: float


@router.get("/rule/{rule_id}")
async def rule(request: Request, rule_id: RuleId) -> Response:
    """A rule of the newest version."""
    values = await beside(request, _page, dashboard_of(request), rule_id)
    return render(request, "rule.html", values)


def _page(dashboard: Dashboard, rule_id: str) -> dict[str, Any]:
    desk = dashboard.of(RuleServices).desk
    book = desk.ruleset(desk.resolve("head"))
    found = next((one for one in book.every_rule if one.id == rule_id), None)
    if found is None:
        raise Stop(404, f"There is no rule {rule_id!r} in the newest version.")
    acting = next((one for one in desk.ruleset(desk.force.active()).every_rule if one.id == rule_id), None)
    return {
        "rule": found,
        "acting": acting,
        "editable": any(one.id == rule_id for one in book.rules),
        "stage": stage_of(found),
        "stages": STAGES,
        "edits": _edits(dashboard, rule_id),
        "based_on": desk.resolve("head"),
    }


def _edits(dashboard: Dashboard, rule_id: str) -> list[Edit]:
    desk, found = dashboard.of(RuleServices).desk, []
    for change in desk.book.changes()[::-1][:_CHANGES]:
        if change.based_on is None:
            continue
        try:
            differs = desk.difference(change.based_on, change.digest)
        except RingfenceError:  # the version that it is based on is no longer kept
            continue
        found += [Edit(change, one) for one in differs.rules if one.rule == rule_id.removeprefix("typology.")]
    return found[:_EACH]


@router.get("/rule/{rule_id}/figures")
async def figures(request: Request, rule_id: RuleId) -> Response:
    """What it has done, each panel with its SQL."""
    dashboard = dashboard_of(request)
    await beside(request, _demand_rule, dashboard, rule_id)
    work, caller = partial(figures_of, dashboard, rule_id), caller_of(request)
    found = await dashboard.cache.soon(("rule", rule_id), ends_of(dashboard), work, caller)
    if found is None:
        reading = await beside(request, late, dashboard, TABLES)
        values = {"address": request.url.path, "reading": reading}
        return render(request, "parts/counting.html", values)
    if found.problem:
        raise Stop(422, found.problem)
    return render(request, "parts/rule_figures.html", found.value | {"rule_id": rule_id})


def _demand_rule(dashboard: Dashboard, rule_id: str) -> None:
    """`Stop` (404) for a rule that is neither in force nor in the newest version: counting is dear."""
    desk = dashboard.of(RuleServices).desk
    acting = dashboard.rules(desk.force.active())
    if acting is not None and any(one.id == rule_id for one in acting.every_rule):
        return
    if all(one.id != rule_id for one in desk.ruleset(desk.resolve("head")).every_rule):
        raise Stop(404, f"There is no rule {rule_id!r} in force or in the newest version.")


def figures_of(dashboard: Dashboard, rule_id: str) -> dict[str, Any]:
    """Rows by panel, with precision and its interval, and the statements that gave them."""
    lake = dashboard.of(RecordServices).lake
    stood = _stood(dashboard, rule_id)
    active = dashboard.rules(dashboard.of(RuleServices).desk.force.active())
    acting = next((one for one in active.every_rule if one.id == rule_id), None) if active else None
    statements = {name: statement(name, rule_id, stood) for name in QUESTIONS}
    rows = {name: lake.sql(one).to_pylist() for name, one in statements.items()}
    for one in rows["weeks"]:
        one["precision"] = wilson(one["fraud"], one["acted"] + one["in_shadow"])
    _compare(rows["stages"])
    weeks = rows["weeks"]
    columns = {name: [row[name] for row in weeks] for name in ("week", "acted", "in_shadow")}
    columns["precision"] = [row["precision"].value for row in weeks]
    points = msgspec.json.encode({"columns": columns}, enc_hook=str).decode() if weeks else ""
    return rows | {"statements": statements, "points": points, "stage": stage_of(acting) if acting else ""}


def _compare(stages: list[dict[str, Any]]) -> None:
    """Add precision, and how many matches shadow predicts for a stage: by its share of the customers.

    A stage that had several shares, such as a rollout that grew, has a row for each. A book written by hand
    may have a share in shadow, too: its matches are of that share, and stand for as many more.
    """
    shadow = [one for one in stages if one["stage"] == Mode.SHADOW]
    heard_of = sum(one["share"] * one["decided"] for one in shadow)
    heard = sum(one["payments"] for one in shadow) / heard_of if heard_of else None
    for one in stages:
        one["precision"] = wilson(one["fraud"], one["payments"])
        is_shadow = one["stage"] == Mode.SHADOW
        one["predicted"] = None if heard is None or is_shadow else heard * one["share"] * one["decided"]


def statement(name: str, rule_id: str, stood: Sequence[Stood]) -> str:
    """The SQL of a panel, as `ringfence sql` takes it; `stood` are versions in which the rule has a stage."""
    rows = ", ".join(
        f"({quoted_text(one.digest)}, {quoted_text(one.stage)}, {float(one.share)!r}::DOUBLE)"
        for one in stood
    )
    versions = f"(VALUES {rows})" if rows else "(SELECT '', '', 1.0 WHERE false)"
    return (_HITS + QUESTIONS[name]).format(rule=quoted_text(rule_id), stood=versions)


def _stood(dashboard: Dashboard, rule_id: str) -> list[Stood]:
    """Versions that decided and in which the rule is active or in shadow, newest first."""
    found = []
    for row in dashboard.of(RecordServices).lake.sql(_VERSIONS).to_pylist():
        book = dashboard.rules(row["rules_digest"])
        rule = next((one for one in book.every_rule if one.id == rule_id), None) if book else None
        if rule is not None and rule.mode in (Mode.ACTIVE, Mode.SHADOW):
            share = rule.rollout.share if rule.rollout else 1.0
            found.append(Stood(row["rules_digest"], stage_of(rule), share))
    return found
