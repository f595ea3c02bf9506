"""What one person asks for, another one approves; then it is done once."""

from contextlib import closing

import pytest

from ringfence.access.approvals import (
    COUNTS_MS,
    MOST_WAITING,
    WAITS_MS,
    ApprovalDesk,
    ApprovalState,
    AwaitingApprovalError,
    Deed,
)
from ringfence.adapters.access.approvals import SqliteApprovals
from ringfence.errors import InputError
from ringfence.rulebook.changes import ApprovalError, NothingToDoError
from ringfence.rulebook.desk import Who

ANNA = Who("key:anna", 1_000, "better", may_approve=False)
BEN = Who("key:ben", 2_000, "looked at it")
CONTENT = {"role": "champion", "share": None}


@pytest.fixture
def desk(tmp_path):
    with closing(SqliteApprovals(tmp_path / "data")) as book:
        yield ApprovalDesk(book, frozenset({Deed.MODELS}))


def act(desk, who=ANNA, content=CONTENT, subject="cards", deed=Deed.MODELS):
    with desk.approved(deed, subject, content, who):
        return "done"


def asked(desk, who=ANNA, **named):
    with pytest.raises(AwaitingApprovalError) as found:
        act(desk, who, **named)
    return found.value.request


def test_what_nobody_demands_passes_and_makes_no_file(desk, tmp_path):
    assert act(desk, deed=Deed.ERASURE) == "done"
    assert desk.list(0) == []
    assert not (tmp_path / "data").exists()


def test_another_person_approves_and_then_it_is_done_once(desk):
    first = asked(desk)
    assert (first.id, first.asked_by, first.reason) == ("A-1", "key:anna", "better")
    assert asked(desk).id == "A-1"  # asking again is no further request
    decided = desk.decide("a-1", BEN, approve=True)
    assert (decided.state, decided.decided_by, decided.note) == ("approved", "key:ben", "looked at it")
    assert act(desk) == "done"
    assert asked(desk).id == "A-2"


def test_an_approval_of_one_thing_or_person_is_none_of_another(desk):
    desk.decide(asked(desk).id, BEN, approve=True)
    assert asked(desk, subject="other").id == "A-2"
    assert asked(desk, content={"role": "champion", "share": 0.5}).id == "A-3"
    assert asked(desk, who=BEN).id == "A-4"


def test_nobody_approves_their_own_nor_without_the_role(desk):
    request = asked(desk, who=BEN)
    carl = Who("key:carl", 3_000, may_approve=False)
    for who, approve in ((BEN, True), (carl, True), (carl, False)):
        with pytest.raises(ApprovalError, match="somebody else"):
            desk.decide(request.id, who, approve=approve)
    assert desk.decide(request.id, BEN, approve=False).state is ApprovalState.DECLINED  # taken back
    with pytest.raises(NothingToDoError, match="declined"):
        desk.decide(request.id, BEN, approve=True)
    assert asked(desk, who=BEN).id == "A-2"


def test_what_failed_may_be_tried_again_without_a_further_approval(desk):
    desk.decide(asked(desk).id, BEN, approve=True)
    with pytest.raises(OSError, match="full"), desk.approved(Deed.MODELS, "cards", CONTENT, ANNA):
        raise OSError("full")
    assert act(desk) == "done"


def test_requests_and_approvals_lapse(desk):
    request = asked(desk)
    late = Who("key:ben", 1_001 + WAITS_MS)
    with pytest.raises(NothingToDoError, match="lapsed"):
        desk.decide(request.id, late, approve=True)
    desk.decide(asked(desk, who=Who("key:anna", 2_000 + WAITS_MS)).id, late, approve=True)
    after = Who("key:anna", late.now_ms + COUNTS_MS + 1)
    assert asked(desk, who=after).id == "A-3"
    assert [one.state for one in desk.list(after.now_ms)] == ["waiting", "lapsed", "lapsed"]


def test_requests_are_bounded_and_unknown_ones_are_refused(desk):
    for number in range(MOST_WAITING):
        asked(desk, subject=f"m{number}")
    with pytest.raises(InputError, match="wait already"):
        act(desk, subject="one more")
    for wrong in ("A-999", "", "x", "9" * 400, "A-\u0663"):
        with pytest.raises(InputError, match="no request"):
            desk.decide(wrong, BEN, approve=True)


def test_two_processes_never_do_the_same_twice(desk, tmp_path):
    desk.decide(asked(desk).id, BEN, approve=True)
    with closing(SqliteApprovals(tmp_path / "data")) as other:
        beside = ApprovalDesk(other, frozenset({Deed.MODELS}))
        with desk.approved(Deed.MODELS, "cards", CONTENT, ANNA):
            assert asked(beside).state == "waiting"
