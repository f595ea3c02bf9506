"""The live book and the file beside it: what is in force after a start, and what replay says of it."""

from __future__ import annotations

import pytest
from tests.spine import batch, payments

from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import RuleError
from ringfence.ports import DECISIONS
from ringfence.replay import verify
from ringfence.rulebook.changes import Origin
from ringfence.rulebook.desk import Who, with_mode
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.rules import Mode, RuleSet

RULE = "{{id: big, title: Big, when: amount > {}, outcome: review, reason: BIG, analyst: Big.}}"
MIRA, NOOR = Who("mira", 5, "calmer"), Who("noor", 6)


def text(limit):
    return f"name: own\nrules: [{RULE.format(limit)}]"


def book(limit):
    return load_book(text(limit))


@pytest.fixture
def start(tmp_path):
    """Opens the store as a process does that finds this rule book."""

    def opened(limit, **options):
        path = tmp_path / "rules.yaml"
        path.write_text(text(limit))
        return open_session(
            tmp_path / "data", load_definitions(None, path), Snapshotting(every_events=15), **options
        )

    return opened


def in_force(session):
    return session.runner.pipeline.rules.ruleset.digest


def test_the_first_start_makes_the_first_version(start):
    with start(10) as session:
        (change,) = session.desk().book.changes()
        assert (change.author, change.origin, change.approved) == ("file", Origin.FILE, True)
        assert change.note.endswith("rules.yaml")
        assert in_force(session) == change.digest == book(10).digest


def test_an_unchanged_file_never_overrides_a_live_edit(start):
    with start(10) as session:
        saved = session.desk().save(book(20), "head", MIRA)
        session.desk().activate(saved.digest, MIRA)
    for _ in range(2):
        with start(10) as session:
            assert in_force(session) == book(20).digest
            assert len(session.desk().book.changes()) == 2


def test_a_changed_file_is_the_next_version_and_in_force(start):
    with start(10) as session:
        saved = session.desk().save(book(20), "head", MIRA)
        session.desk().activate(saved.digest, MIRA)
    with start(30) as session:
        newest = session.desk().book.changes()[-1]
        assert (newest.digest, newest.based_on, newest.author) == (book(30).digest, saved.digest, "file")
        assert in_force(session) == book(30).digest
        assert [one.author for one in session.desk().force.activations()] == [None, "mira", "file"]


def test_a_file_that_says_what_is_in_force_already_changes_nothing(start):
    with start(10) as session:
        saved = session.desk().save(book(20), "head", MIRA)
        session.desk().activate(saved.digest, MIRA)
        offset = session.runner.pipeline.offset
    with start(20) as session:
        assert (in_force(session), session.runner.pipeline.offset) == (book(20).digest, offset)
    with start(10) as session:
        assert in_force(session) == book(10).digest, "and from then on it is the file that was deployed last"


def test_where_approval_is_required_a_changed_file_waits_and_says_so(start):
    with start(10, require_approval=True) as session:
        assert [told for told in session.notices if "shipped" not in told] == []
    with start(20, require_approval=True) as session:
        assert in_force(session) == book(10).digest
        (notice,) = [told for told in session.notices if "shipped" not in told]
        assert f"ringfence rules approve {book(20).digest}" in notice
        desk = session.desk()
        desk.review(book(20).digest, NOOR, approve=True)
        desk.activate(book(20).digest, NOOR)
    with start(20, require_approval=True) as session:
        assert (in_force(session), session.notices) == (book(20).digest, [])


def test_every_decision_names_the_version_that_its_place_in_the_log_says(start):
    """
    events      20 payments · edit · 20 payments · restart · 20 payments · roll back · 20 payments
    version         10                   30                      30                        10
    """
    every = payments(80)
    parts = [batch(every[at : at + 20]) for at in range(0, 80, 20)]
    with start(10) as session:
        session.runner.ingest(parts[0])
        desk = session.desk()
        desk.activate(desk.save(book(30), "head", MIRA).digest, MIRA)
        session.runner.ingest(parts[1])
    with start(10) as session:
        session.runner.ingest(parts[2])
        session.desk().roll_back(MIRA)
        session.runner.ingest(parts[3])
        store = session.store
        named = [DecisionBatch.decode(one.payload).versions["rules"] for one in store.log.read(DECISIONS)]
        assert named == [book(limit).digest for limit in (10, 30, 30, 10)]
        books = {one.digest: RuleSet.from_json(one.body) for one in store.registry.versions("rules")}
        result = verify(store.log, [session.definitions.spec], books, store.meta.hash_seed, lambda *_: None)
        assert (result.differing, result.unknown) == (0, 0)
        assert result.compared == sum(one.count for one in store.log.read(DECISIONS))


def test_a_shipped_rule_that_the_features_do_not_serve_does_not_stop_an_edit(tmp_path):
    features = tmp_path / "features.py"
    features.write_text(
        "from ringfence.features.spec import FeatureSpec, entity\n"
        "spec = FeatureSpec.of(entity('card').count('15m'))\n"
    )
    with open_session(tmp_path / "data", load_definitions(features, None), Snapshotting()) as session:
        desk = session.desk()
        shipped = desk.ruleset(desk.force.active())
        change = desk.save(with_mode(shipped, shipped.rules[0].id, Mode.PAUSED), "head", MIRA)
        desk.activate(change.digest, MIRA)
        assert in_force(session) == change.digest


def features(path, window):
    path.write_text(
        "from ringfence.features.spec import FeatureSpec, entity\n"
        f"spec = FeatureSpec.of(entity('card').count('{window}'))\n"
    )
    return path


def test_features_and_rules_may_change_together_and_what_was_in_force_before_need_not_fit(tmp_path):
    def opened(window, asked):
        rules = tmp_path / "rules.yaml"
        rules.write_text(f"rules: [{RULE.format(9).replace('amount', f'card.count_{asked}')}]")
        found = load_definitions(features(tmp_path / "features.py", window), rules)
        return open_session(tmp_path / "data", found, Snapshotting())

    with opened("1h", "1h") as session:
        session.runner.ingest(batch(payments(20)))
    with opened("2h", "2h") as session:
        session.runner.ingest(batch(payments(40)))
        assert in_force(session) == session.definitions.rules.ruleset.digest
    with opened("2h", "2h") as session:
        assert session.desk().force.activations()[-1].author == "file"


def test_features_that_the_rules_in_force_cannot_do_without_are_told(tmp_path, start):
    rules = load_book(f"rules: [{RULE.format(9).replace('amount', 'card.count_1h')}]")
    with start(10) as session:
        session.desk().activate(session.desk().save(rules, "head", MIRA).digest, MIRA)
    definitions = load_definitions(features(tmp_path / "features.py", "2h"), tmp_path / "rules.yaml")
    with (
        pytest.raises(RuleError, match=r"which are in force, do not fit.*card\.count_1h") as caught,
        open_session(tmp_path / "data", definitions, Snapshotting()),
    ):
        pass
    assert "Give back the features" in str(caught.value)
