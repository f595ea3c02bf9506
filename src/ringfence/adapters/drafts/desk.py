"""What the steps of a draft share: the columns that are left, the plan, the answers that were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.adapters.drafts.roles import CLOSE, FoundRole, ranked
from ringfence.errors import InputError
from ringfence.events.values.vocabulary import nearest
from ringfence.ports.mappings import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ringfence.adapters.drafts.plan import MappingPlan
    from ringfence.adapters.drafts.sample import Column, FileSample


@dataclass(slots=True)
class DraftDesk:
    """A column that is taken is not asked again."""

    sample: FileSample
    left: dict[str, Column]
    plan: MappingPlan
    answers: Mapping[str, str]
    now: datetime

    def take(self, name: str) -> Column:
        """The column, which no other field will get."""
        return self.left.pop(name)

    def ask(self, question: Question) -> str:
        """The answer that was given, or else the first one; the question is noted."""
        given = self.answers.get(question.key)
        if given is None:
            self.plan.questions.append(question)
            return question.answers[0]
        if given not in question.answers:
            raise InputError(f"--answer {question.key}={given}: one of {', '.join(question.answers)}")
        return given

    def named(self, field: str, name: str) -> Column:
        """The column that an answer names for a field, which no other field will get."""
        if name not in self.left:
            raise InputError(
                f"--answer {field}={name}: no such column, or it serves as something else"
                f"{nearest(name, self.left)}"
            )
        return self.take(name)

    def best(self, field: str, points: Callable[[Column], float]) -> Column | None:
        """The column for a field: the one that was named, or the best; a close runner-up is asked about."""
        named = self.answers.get(field)
        if named is not None:
            return self.named(field, named)
        found = ranked(self.left.values(), points)
        if not found:
            return None
        if len(found) > 1:
            self._doubt(field, found)
        return self.take(found[0].name)

    def _doubt(self, field: str, found: list[FoundRole]) -> None:
        second = found[1]
        if second.points >= found[0].points / 2:
            self.plan.runners[field] = second.name
        if found[0].points - second.points <= CLOSE:
            near = tuple(one.name for one in found if found[0].points - one.points <= CLOSE)[:4]
            self.plan.questions.append(
                Question(field, f"{len(near)} columns may be {field}: {', '.join(near)}", near, near)
            )
