"""The stages that the System page lists."""

from ringfence.web.vitals import STAGES


def test_two_stages_with_one_verb_are_one_row():
    assert len(STAGES) == len(set(STAGES))
    assert STAGES.index("measure") < STAGES.index("score")
