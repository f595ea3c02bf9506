"""The shadow report is what would have been decided: compared with deciding it."""

from __future__ import annotations

import msgspec
import pytest
from tests.spine import batch, labels, payments

from ringfence.adapters.lake import Lake
from ringfence.analysis.list_history import shadow_report
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.compose.deciding.versions import registered_rules
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS
from ringfence.rulebook.shadow import Group, compare
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.books import dump_book, load_book
from ringfence.scoring.rulesets.rules import Mode, Outcome

BOOK = """
name: own
policy: {allow_overrules: review, challenge_at: 20, review_at: 60, decline_at: 90}
rules:
  - {id: dear, title: T, when: amount > 400, outcome: challenge, points: 30, reason: R, analyst: A.}
  - {id: brazil, title: T, when: country = 'BR', points: 35, reason: R, analyst: A.}
  - {id: friends, title: T, when: merchant_id = 'merchant-1', outcome: approve, reason: R, analyst: A.}
  - {id: very_dear, title: T, when: amount > 80000, outcome: decline, reason: R, analyst: A., mode: shadow}
  - {id: many, title: T, when: card.count_1d >= 20, points: 30, reason: R, analyst: A., mode: shadow}
  - {id: shop, title: T, when: merchant_id = 'merchant-2', outcome: approve, reason: R, analyst: A.,
     mode: shadow}
  - {id: never, title: T, when: "false", outcome: decline, reason: R, analyst: A., mode: shadow}
"""


def decide(folder, path, text, count=1500):
    path.write_text(text)
    with open_session(folder, load_definitions(None, path), Snapshotting()) as session:
        rows = payments(count)
        session.runner.ingest(batch(rows), labels(rows, 0))
        store = session.store
        report = shadow_report(Lake(store), lambda digest: registered_rules(store, digest))
        batches = [DecisionBatch.decode(item.payload) for item in store.log.read(DECISIONS)]
        return report, [str(one.outcome) for part in batches for one in part]


def activated(names):
    book = load_book(BOOK)
    rules = tuple(
        msgspec.structs.replace(rule, mode=Mode.ACTIVE if rule.id in names else Mode.PAUSED)
        if rule.mode is Mode.SHADOW
        else rule
        for rule in book.rules
    )
    return dump_book(msgspec.structs.replace(book, rules=rules))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shadow")
    return decide(folder / "data", folder / "rules.yaml", BOOK)


def test_all_shadow_rules_together_would_have_decided_what_the_report_says(told, tmp_path):
    report, before = told
    _, after = decide(tmp_path / "data", tmp_path / "rules.yaml", activated({"very_dear", "many", "shop"}))
    counted = {str(a): {str(b): 0 for b in Outcome} for a in Outcome}
    for one, other in zip(before, after, strict=True):
        counted[one][other] += 1
    assert report.matrix == counted
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    assert report.changed == changed > 50
    alerts = [sum(outcome in ("review", "decline") for outcome in side) for side in (before, after)]
    assert report.more_alerts_per_day * report.days == pytest.approx(alerts[1] - alerts[0])


@pytest.mark.parametrize("name", ["very_dear", "many", "shop"])
def test_each_rule_alone_would_have_changed_what_the_report_says(told, tmp_path, name):
    report, before = told
    _, after = decide(tmp_path / "data", tmp_path / "rules.yaml", activated({name}))
    (found,) = [rule for rule in report.rules if rule.rule == name]
    assert found.changed == sum(one != other for one, other in zip(before, after, strict=True)) > 0
    assert found.fired >= found.changed


def test_precision_is_of_labelled_payments_and_a_rule_that_never_fires_has_none(told):
    report, before = told
    assert [rule.rule for rule in report.rules if rule.fired] == ["many", "shop", "very_dear"]
    (never,) = [rule for rule in report.rules if not rule.fired]
    assert (never.rule, never.days, never.precision) == ("never", report.days, None)
    (dear,) = [rule for rule in report.rules if rule.rule == "very_dear"]
    assert dear.labelled == dear.fraud > 0, "the stream labels frauds only"
    assert dear.precision == 1.0
    assert report.payments == len(before)


def test_without_decisions_there_is_nothing_to_say(tmp_path):
    report, before = decide(tmp_path / "data", tmp_path / "rules.yaml", BOOK, count=0)
    assert (report.payments, report.days, report.rules, before) == (0, 0.0, [], [])


def test_only_payments_judged_while_a_rule_was_in_shadow_count():
    """
    day       1     2     3     4
    version   old   old   new   new      the rule is in shadow in the new version only
    """
    old, new = load_book(BOOK.replace("shadow", "draft")), load_book(BOOK)

    def group(version, day, shadow=()):
        first = day * 86_400_000
        return Group(version.digest, Outcome.APPROVE, (), shadow, None, 10, first, first + 86_400_000)

    groups = [group(old, 1), group(old, 2), group(new, 3), group(new, 4, ("very_dear",))]
    report = compare(groups, {one.digest: one for one in (old, new)}.__getitem__)
    assert (report.payments, report.changed, report.days, report.more_alerts_per_day) == (20, 10, 2.0, 5.0)
    assert {rule.rule: rule.fired for rule in report.rules} == {
        "many": 0,
        "never": 0,
        "shop": 0,
        "very_dear": 10,
    }
