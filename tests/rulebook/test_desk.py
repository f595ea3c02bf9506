"""Versions, approval, stale edits and roll-back, over a real store."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.book import RuleBook
from ringfence.errors import InputError, RuleError
from ringfence.events.activation import versions
from ringfence.features.catalog import CATALOG
from ringfence.rulebook.changes import Activation, ApprovalError, Origin, StaleError
from ringfence.rulebook.desk import Desk, Who, with_mode
from ringfence.scoring.rulesets.books import default_book, load_book
from ringfence.scoring.rulesets.possible import check_possible
from ringfence.scoring.rulesets.rules import Mode, compile_rules

RULE = "{{id: {id}, title: T, when: {when}, points: 5, reason: R, analyst: A., mode: {mode}}}"


def book(limit=9, mode="active", when="amount > {}"):
    rule = RULE.format(id="big", when=when.format(limit), mode=mode)
    return load_book(f"rules: [{rule}]")


class Log:
    """A log that remembers what was put in force; the first version was from the beginning."""

    def __init__(self, first):
        self.history = [Activation(digest=first, offset=0, time_ms=0, author=None, note=None)]

    def active(self):
        return self.history[-1].digest

    def activations(self):
        return self.history

    def fit(self, ruleset):
        compile_rules(ruleset, CATALOG)

    def vet(self, ruleset, before=None):
        compile_rules(ruleset, CATALOG)
        check_possible(ruleset, CATALOG, before=before)

    def put(self, change):
        (version,) = versions(change)
        offset = len(self.history)
        self.history.append(
            Activation(digest=version.digest, offset=offset, time_ms=1, author="x", note=None)
        )
        return offset


FIRST = book()
MIRA, NOOR = Who("mira", 5, "calmer"), Who("noor", 6, "looks good")


def set_mode(desk, rule_id, mode, based_on):
    return desk.save(with_mode(desk.ruleset(desk.resolve(based_on)), rule_id, mode), based_on, MIRA)


EDITOR = Who("ed", 7, may_approve=False)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path) as opened:
        yield opened


def desk_on(store, *, require_approval=False):
    made = Desk(RuleBook(store.log.database), Log(FIRST.digest), require_approval)
    made.deploy_file(FIRST, Who("file", 1, "rules.yaml"))
    return made


@pytest.fixture
def desk(store):
    return desk_on(store)


@pytest.fixture
def strict(store):
    return desk_on(store, require_approval=True)


def test_every_change_is_a_version_with_author_time_and_note(desk):
    change = desk.save(book(10), FIRST.digest, MIRA)
    assert (change.number, change.based_on, change.author, change.created_ms, change.note) == (
        2,
        FIRST.digest,
        "mira",
        5,
        "calmer",
    )
    assert desk.ruleset(change.digest) == book(10)
    assert [one.digest for one in desk.book.changes()] == [FIRST.digest, change.digest]
    assert desk.force.active() == FIRST.digest, "saving puts nothing in force"


def test_the_history_outlives_the_process(tmp_path):
    with Store.open(tmp_path / "a") as store:
        saved = desk_on(store).save(book(10), FIRST.digest, MIRA)
    with Store.open(tmp_path / "a") as store:
        assert RuleBook(store.log.database).changes()[-1] == saved


def test_an_edit_on_a_stale_version_conflicts_and_shows_what_changed(desk):
    newest = desk.save(book(10), FIRST.digest, MIRA)
    with pytest.raises(StaleError, match="big") as caught:
        desk.save(book(11), FIRST.digest, NOOR)
    (changed,) = caught.value.difference.rules
    assert [(one.field, one.before, one.after) for one in changed.fields] == [
        ("when", "amount > 9", "amount > 10")
    ]
    assert "+  when: amount > 10" in caught.value.difference.text
    assert desk.head() == newest.digest, "nothing was kept"
    assert desk.save(book(11), newest.digest, NOOR).number == 3


def test_a_version_that_does_not_compile_is_not_kept(desk):
    with pytest.raises(RuleError, match=r"card\.count_1h"):
        desk.save(book(when="card.count_1hh > 3"), FIRST.digest, MIRA)
    assert len(desk.book.changes()) == 1


def test_a_version_without_a_change_is_refused(desk):
    with pytest.raises(InputError, match="nothing changes"):
        desk.save(book(9), FIRST.digest, MIRA)


def test_a_version_takes_effect_at_a_place_in_the_log(desk):
    change = desk.save(book(10), "head", MIRA)
    done = desk.activate(change.digest[:6], NOOR)
    assert (done.digest, done.offset, done.author, done.note) == (change.digest, 1, "noor", "looks good")
    with pytest.raises(InputError, match="in force already"):
        desk.activate(change.digest, NOOR)


def test_nobody_approves_their_own_change(strict):
    change = strict.save(book(10), FIRST.digest, MIRA)
    assert change.approved is None
    with pytest.raises(ApprovalError, match="did not write it"):
        strict.activate(change.digest, MIRA)
    with pytest.raises(ApprovalError):
        strict.review(change.digest, MIRA, approve=True)
    with pytest.raises(ApprovalError):
        strict.review(change.digest, EDITOR, approve=True)
    for second in (replace(NOOR, made_by=(MIRA.name,)), replace(NOOR, made_ms=change.created_ms + 1)):
        with pytest.raises(ApprovalError, match="the key that would approve"):
            strict.review(change.digest, second, approve=True)
    assert strict.review(change.digest, NOOR, approve=True).reviewer == "noor"
    with pytest.raises(ApprovalError):
        strict.activate(change.digest, EDITOR)
    assert strict.activate(change.digest, MIRA).digest == change.digest


def test_the_next_edit_starts_from_before_a_rejected_one(strict):
    bad = strict.save(book(10), FIRST.digest, MIRA)
    strict.review(bad.digest, NOOR, approve=False)
    assert strict.head() == FIRST.digest
    with pytest.raises(ApprovalError):
        strict.activate(bad.digest, NOOR)
    with pytest.raises(InputError, match="rejected by noor"):
        strict.review(bad.digest, NOOR, approve=True)
    assert strict.save(book(11), FIRST.digest, MIRA).based_on == FIRST.digest


def test_a_roll_back_brings_the_version_before_into_force_without_a_second_look(strict):
    change = strict.save(book(10), FIRST.digest, MIRA)
    strict.review(change.digest, NOOR, approve=True)
    strict.activate(change.digest, NOOR)
    assert strict.roll_back(MIRA).digest == FIRST.digest
    newest = strict.book.changes()[-1]
    assert (newest.digest, newest.based_on, newest.origin) == (FIRST.digest, change.digest, Origin.ROLLBACK)
    assert strict.head() == FIRST.digest
    with pytest.raises(ApprovalError):
        strict.roll_back(EDITOR, change.digest)


def test_there_is_nothing_before_the_first_version(desk):
    with pytest.raises(InputError, match="nothing to roll back to"):
        desk.roll_back(MIRA)


def test_a_changed_file_waits_for_approval_where_that_is_required(strict):
    change = strict.deploy_file(book(12), Who("file", 9))
    assert (change.origin, change.approved) == (Origin.FILE, None)
    assert strict.deploy_file(book(12), Who("file", 10)) is None


def test_rules_of_another_host_are_kept_as_such_and_wait_for_approval_where_that_is_required(strict):
    assert not strict.take_over(book(12), Who("mira", 9))
    change = strict.book.changes()[-1]
    assert (change.digest, change.author, change.origin, change.approved) == (
        book(12).digest,
        "mira",
        Origin.HOST,
        None,
    )
    assert not strict.take_over(book(12), Who("mira", 10))
    assert strict.book.changes()[-1] == change  # kept once


def test_a_rules_mode_is_changed_by_itself(desk):
    change = set_mode(desk, "big", Mode.SHADOW, FIRST.digest)
    assert desk.ruleset(change.digest).rules[0].mode is Mode.SHADOW
    with pytest.raises(InputError, match="no rule 'other'"):
        set_mode(desk, "other", Mode.SHADOW, "head")


def test_a_typology_has_a_mode_and_differs_like_a_rule(store):
    first = default_book()
    desk = Desk(RuleBook(store.log.database), Log(first.digest))
    desk.deploy_file(first, MIRA)
    name = first.typologies[0].name
    change = set_mode(desk, name, Mode.PAUSED, "head")
    (changed,) = desk.version(change.digest).difference.rules
    assert (changed.rule, changed.what) == (name, "changed")
    assert [(one.field, one.after) for one in changed.fields] == [("mode", "paused")]
    assert desk.version(change.digest).difference.settings == []


def test_of_many_who_save_at_once_on_one_version_one_wins(desk):
    def save(limit):
        try:
            return desk.save(book(limit), FIRST.digest, MIRA).digest
        except StaleError:
            return None

    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(save, range(100, 116)))
    (winner,) = [digest for digest in saved if digest is not None]
    assert [change.digest for change in desk.book.changes()] == [FIRST.digest, winner]


def test_an_archived_rule_comes_back_as_a_draft(desk):
    archived = set_mode(desk, "big", Mode.ARCHIVED, "head")
    with pytest.raises(RuleError, match="make it a draft"):
        set_mode(desk, "big", Mode.ACTIVE, archived.digest)
    assert set_mode(desk, "big", Mode.DRAFT, archived.digest).number == 3


def test_unknown_and_ambiguous_versions_are_told(desk):
    with pytest.raises(InputError, match="no version of the rule book begins with 'dead'"):
        desk.resolve("dead")
