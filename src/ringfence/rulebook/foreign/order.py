"""Rules in the other product's order as rules here, where the strictest outcome wins whatever the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.rulebook.foreign.result import ForeignRefusal, plain_words, rule_id
from ringfence.scoring.language.syntax import MAX_BYTES
from ringfence.scoring.rulesets.outcomes import Outcome
from ringfence.scoring.rulesets.ruleset import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.rulebook.foreign.result import Imported, Wishes


_TOO_LONG: Final = (
    "it decides only where no rule before it matched, and those are too long together to be asked again: "
    "import with --all-matched, or merge some of them"
)


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A translated rule: its name in the source, its condition, and what it decides there."""

    name: str
    when: str
    outcome: Outcome
    title: str
    customer: str = ""
    tags: tuple[str, ...] = ()


def add_rules(
    found: Imported, drafts: Sequence[RuleDraft], wishes: Wishes, *, first_matched: bool, product: str
) -> None:
    """Add rules that decide as the drafts do in their order.

    Where the first match decides alone, an earlier rule that would lose is asked first: the later one holds
    only where that did not. It would lose where it is milder, and to an approval, which may set stricter
    outcomes aside (`allow_overrules`).
    """
    used: set[str] = set()
    for index, draft in enumerate(drafts):
        losers = [one for one in drafts[:index] if _loses(one.outcome, draft.outcome)]
        if first_matched and sum(len(one.when) for one in losers) > MAX_BYTES:
            found.refused.append(ForeignRefusal(draft.name, draft.when[:1000], _TOO_LONG))
            continue
        guards = [f"({one.when}) IS NOT TRUE" for one in losers] if first_matched else []
        name = _free(rule_id(draft.name), used)
        title = plain_words(draft.title or draft.name)[:200]
        found.rules.append(
            Rule(
                id=name,
                title=title,
                when=" AND ".join([f"({draft.when})", *guards]) if guards else draft.when,
                outcome=draft.outcome,
                reason=name.upper().replace("-", "_").replace(".", "_"),
                analyst=f"{title.rstrip('.')}.",
                customer=plain_words(draft.customer),
                mode=wishes.mode,
                tags=("imported", product, *draft.tags),
            )
        )
    if first_matched and found.refused:
        found.note(
            "Some rules were not translated. In the source the first rule that matches decides; where one of "
            "those would have, the rules behind it decide here. Look at them before you make them active."
        )


def _loses(earlier: Outcome, later: Outcome) -> bool:
    if later is Outcome.APPROVE:
        return earlier is not Outcome.APPROVE
    return earlier.strictness < later.strictness


def _free(name: str, used: set[str]) -> str:
    free, number = name, 2
    while free in used:
        free, number = f"{name[:75]}_{number}", number + 1
    used.add(free)
    return free
