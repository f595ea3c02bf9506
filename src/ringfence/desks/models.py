"""Which part a model plays from the next event on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

from ringfence.desks.confirming import demand_confirmation
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.impact import Impact
    from ringfence.desks.confirming import ChangeLimits
    from ringfence.scoring.deployment import Deployment

Part = Literal["champion", "challenger", "rollout"]
SHARELESS: Final = "a rollout, and nothing else, takes a share"
S_contra = TypeVar("S_contra", contravariant=True)


class Deploying(Protocol[S_contra]):
    """Where deployments are made; each change is signed."""

    def promote(self, model: str, signed: S_contra, *, force: bool = False) -> Deployment: ...

    def challenge(self, model: str, signed: S_contra) -> Deployment: ...

    def roll_out(
        self, model: str, share: float, by: str | None, signed: S_contra, *, force: bool = False
    ) -> Deployment: ...


@dataclass(frozen=True, slots=True)
class Confirming:
    """What a model would do to recent payments, the limits of a change at once, and what was typed."""

    sheet: Callable[[], Impact]
    limits: ChangeLimits
    confirm: str = ""


def put_in_force(
    models: Deploying[S_contra],
    model: str,
    part: Part,
    signed: S_contra,
    *,
    confirming: Confirming,
    share: float | None = None,
    by: str | None = None,
    force: bool = False,
) -> Deployment:
    """Have a model decide, be heard in the shadow, or decide for a share of the entities `by`.

    `InputError` where a share is missing, or is given to what is no rollout; `UnconfirmedError` where it goes
    beyond the limits and is not confirmed; others as of the desk of models.
    """
    if (part == "rollout") != (share is not None):
        raise InputError(SHARELESS)
    if part != "challenger":
        demand_confirmation(confirming.sheet(), confirming.limits, confirming.confirm, share or 1.0)
    if share is not None:
        return models.roll_out(model, share, by, signed, force=force)
    if part == "champion":
        return models.promote(model, signed, force=force)
    return models.challenge(model, signed)
