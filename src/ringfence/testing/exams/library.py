"""The exam of `ringfence.ports.Library`: `library` is one over `SPEC` that keeps `BOOK` and `UNFIT`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ringfence.errors import RuleError, StoreError
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.rulesets.outcomes import Outcome
from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

if TYPE_CHECKING:
    from ringfence.ports import Library


def _book(when: str) -> RuleSet:
    rule = Rule(id="own", title="Own", when=when, outcome=Outcome.REVIEW, reason="OWN", analyst="Own.")
    return RuleSet(rules=(rule,))


SPEC = FeatureSpec.of(entity("card").count("1h"))
BOOK = _book("card.count_1h > 2")
UNFIT = _book("card.count_7d > 2")  # over a feature that `SPEC` has not


class LibraryExam:
    """What a library promises, one sentence a test."""

    @pytest.fixture
    def library(self) -> Library:
        raise NotImplementedError("an exam needs a `library` fixture")

    @pytest.fixture
    def deployed(self) -> str:
        """Digest of a deployment that `library` keeps."""
        raise NotImplementedError("an exam needs a `deployed` fixture")

    def test_rules_are_given_compiled_over_the_specification(self, library: Library) -> None:
        found = library.rules(BOOK.digest)
        assert found.ruleset == BOOK
        assert found.spec.digest == SPEC.digest

    def test_models_are_given_with_their_deployment(self, library: Library, deployed: str) -> None:
        found = library.models(deployed)
        assert found.deployment.digest == deployed
        assert {one.digest for one in found.scorers} == set(found.deployment.models)

    def test_what_was_asked_for_once_is_given_again_at_once(self, library: Library, deployed: str) -> None:
        assert library.rules(BOOK.digest) is library.rules(BOOK.digest)
        assert library.models(deployed) is library.models(deployed)

    def test_what_is_not_kept_is_an_error(self, library: Library) -> None:
        with pytest.raises(StoreError, match="0123456789abcdef"):
            library.rules("0123456789abcdef")
        with pytest.raises(StoreError, match="0123456789abcdef"):
            library.models("0123456789abcdef")

    def test_rules_that_do_not_fit_are_an_error(self, library: Library) -> None:
        with pytest.raises(RuleError, match="count_7d"):
            library.rules(UNFIT.digest)
