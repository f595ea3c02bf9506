"""Rules checked and measured, in threads of their own: no change of the book waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ringfence.api.http.problems import Refusal, unavailable
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.api.services import RuleServices
    from ringfence.scoring.rulesets.ruleset import RuleSet

T = TypeVar("T")


async def checked(services: RuleServices, look: Callable[..., T], *given: Any) -> T:
    """What a check gives, or raises; `Refusal` (503) where none can be made now."""
    try:
        return await services.pools.checks.run(look, *given)
    except StoreError as error:
        raise unavailable(str(error)) from error


async def warnings_on(services: RuleServices, ruleset: RuleSet) -> list[str]:
    """What should be read of these rules; also where they cannot be tried in time."""
    try:
        return await services.pools.checks.run(services.warnings_on, ruleset)
    except Refusal as refusal:
        return [f"how often these rules are true was not measured: {refusal.problem.detail}"]
