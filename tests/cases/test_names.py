"""Whom the words of a refusal name."""

from dataclasses import replace

import pytest
from tests.cases.desk import payment

from ringfence.cases import wire
from ringfence.cases.errors import CaseStateError, StaleCaseError


def test_a_refusal_names_the_person_and_not_their_key(office):
    """A clerk who was refused read `key:1f2e3d4c is working on case C-1`."""
    (case,) = office.take(payment(1))
    office.desk = replace(office.desk, person={"key:1f2e3d4c": "anna"}.__getitem__)
    held = office.next(by="key:1f2e3d4c")
    with pytest.raises(CaseStateError, match=r"^anna is working on"):
        office.act(held, wire.Snooze, by="key:9a9a9a9a", minutes=60)
    with pytest.raises(StaleCaseError, match="by anna"):
        office.act(case, wire.Escalate, by="key:9a9a9a9a")
