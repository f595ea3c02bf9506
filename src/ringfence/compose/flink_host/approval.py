"""The second person of a Flink job: what `four_eyes` names takes effect once somebody else approved it."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from ringfence.access.approvals import Deed
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding.models import IN_FORCE
from ringfence.compose.deciding.rules import FIRST_RULES
from ringfence.compose.deciding.session import FILE_RULES
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.folder.store import open_store
from ringfence.errors import InUseError
from ringfence.events.activation import Part
from ringfence.rulebook.changes import ApprovalError, Origin, Proposed, Review, head, is_approved
from ringfence.rulebook.desk import Who
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ringfence.scoring.rulesets.ruleset import RuleSet
    from ringfence.store import DataFolder


@contextmanager
def approved(versions: Mapping[Part, str], rules: RuleSet, before: RuleSet, author: str) -> Iterator[None]:
    """Inside, put these versions in force; `rules` are the project's, `before` those that its job has.

    `ApprovalError` where somebody has to approve first; nothing is to be put in force then. The rules of a
    job that begins are the first version of an empty book, which needs nobody, as of the embedded engine.
    """
    settings = load_settings()
    if settings.rules_need_approval and Part.RULES in versions:
        _check_rules(settings.data_dir, rules, before, author)
    model = versions.get(Part.MODELS)
    if model is None:
        yield
        return
    with open_store(settings.data_dir, read_only=True) as store:
        is_known = bool(model) and store.remembered(IN_FORCE) == model  # approved where it was promoted
    desk = open_approvals(settings.data_dir)
    with closing(desk.book):
        if is_known:
            yield
            return
        told = "the model of the project's files decides on its Flink job"
        with desk.approved(Deed.MODELS, told, {"deployment": model}, Who(author, now_ms())):
            yield


def _check_rules(folder: Path, rules: RuleSet, before: RuleSet, author: str) -> None:
    with open_store(folder, read_only=True) as store:
        changes = store.rule_history.changes()
        if is_approved(changes, rules.digest):
            return
    try:
        with open_store(folder) as store:
            if not changes:
                _begin_book(store, before, author)
                if before.digest == rules.digest:
                    return
            newest = head(store.rule_history.changes())
            if newest is None or newest.digest != rules.digest:
                _keep(store, rules, newest.digest if newest else None, author)
    except InUseError:
        if all(change.digest != rules.digest for change in changes):
            raise ApprovalError(
                f"rules {rules.digest} wait for a second person, and their server does not know them: save "
                "them there (`ringfence rules save --server URL`), have somebody else approve them, and do "
                "the same again"
            ) from None
    raise ApprovalError(
        f"rules {rules.digest} wait for a second person: somebody else has to approve them (`ringfence rules "
        f"approve {rules.digest}`). Then do the same again"
    )


def _begin_book(store: DataFolder, first: RuleSet, author: str) -> None:
    """With the rules that a job has from its beginning: the next ones are not the first."""
    _keep(store, first, None, author, Review(approved=True, reviewer=author, reviewed_ms=now_ms()))
    for name in (FIRST_RULES, FILE_RULES):
        if store.remembered(name) is None:
            store.remember(name, first.digest)


def _keep(
    store: DataFolder, rules: RuleSet, based_on: str | None, author: str, review: Review | None = None
) -> None:
    proposed = Proposed(
        digest=rules.digest,
        body=rules.to_json(),
        based_on=based_on,
        author=author,
        created_ms=now_ms(),
        note="the project's file, for its Flink job",
        origin=Origin.FILE,
    )
    store.rule_history.add(proposed, review)
