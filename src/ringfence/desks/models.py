"""Which part a model plays from the next event on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

from ringfence.desks.confirming import Sealing, demand_confirmation, demand_sheet
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.decisions.impact import Impact
    from ringfence.desks.confirming import ChangeLimits
    from ringfence.desks.seals import Seals
    from ringfence.scoring.artifacts.deployment import Deployment

Part = Literal["champion", "challenger", "rollout"]
SHARELESS: Final = "a rollout, and nothing else, takes a share"
S_contra = TypeVar("S_contra", contravariant=True)


class Deploying(Protocol[S_contra]):
    """Where deployments are made; each change is signed. `active` says what is in force."""

    @property
    def active(self) -> Callable[[], Deployment]: ...

    def promote(self, model: str, signed: S_contra, *, force: bool = False) -> Deployment: ...

    def challenge(self, model: str, signed: S_contra) -> Deployment: ...

    def roll_out(
        self, model: str, share: float, by: str | None, signed: S_contra, *, force: bool = False
    ) -> Deployment: ...

    def retire(self, model: str, signed: S_contra) -> Deployment: ...


@dataclass(frozen=True, slots=True)
class Confirming:
    """What a model would do to recent payments, the limits of a change at once, and what was typed.

    `sheet` says what giving payments to the model changes, or, told True, taking them away from it. With
    `seals`, as on a server, a change of what decides takes the seal of its sheet.
    """

    sheet: Callable[[bool], Impact]
    limits: ChangeLimits
    confirm: str = ""
    seals: Seals | None = None

    def shown(self, deployment: Deployment, gained: float) -> Impact:
        """The sheet of a change of the deployment by which the model gains this share, with its seal."""
        told = self.sheet(gained < 0)
        sealing = self.sealing(deployment)
        return told if sealing is None else sealing.sealed(told, self.limits, gained)

    def sealing(self, deployment: Deployment) -> Sealing | None:
        """By which seals sheets of a change of this deployment are known."""
        return None if self.seals is None else Sealing(self.seals, deployment.digest)


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
    active = models.active()
    _demand(active, model, share_gained(active, model, part, share, by), confirming)
    if share is not None:
        return models.roll_out(model, share, by, signed, force=force)
    if part == "champion":
        return models.promote(model, signed, force=force)
    return models.challenge(model, signed)


def retire(
    models: Deploying[S_contra], model: str, signed: S_contra, *, confirming: Confirming
) -> Deployment:
    """Take a model out of what is in force, for good; errors as of `put_in_force`."""
    active = models.active()
    _demand(active, model, share_gained(active, model), confirming)
    return models.retire(model, signed)


def share_gained(
    deployment: Deployment,
    model: str,
    part: Part | None = None,
    share: float | None = None,
    by: str | None = None,
) -> float:
    """Of all payments, those for which the model begins to speak; below 0, those for which it ceases to.

    Without a part it leaves. A rollout by other entities has other payments, those of before and of then.

    >>> from ringfence.scoring.artifacts.deployment import Deployment, Share
    >>> now = Deployment(champion="a", rollout=(Share("b", 0.75),))
    >>> share_gained(now, "b", "rollout", 0.25), share_gained(now, "b", "champion"), share_gained(now, "a")
    (-0.5, 0.25, -1.0)
    """
    rollout = next((one.share for one in deployment.rollout if one.model == model), 0.0)
    now = 1.0 if deployment.champion == model else rollout
    then = 1.0 if part == "champion" else share or 0.0 if part == "rollout" else 0.0
    if then and rollout and part == "rollout" and by not in (None, deployment.by):
        return min(now + then, 1.0)
    return then - now


def _demand(deployment: Deployment, model: str, gained: float, confirming: Confirming) -> None:
    sealing, confirm = confirming.sealing(deployment), confirming.confirm
    if not gained or (sealing is not None and sealing.holds(confirm, model, gained)):
        return
    sheet = confirming.sheet(gained < 0)
    if sealing is None:
        demand_confirmation(sheet, confirming.limits, confirm, abs(gained))
    else:
        demand_sheet(sheet, confirming.limits, sealing, confirm, gained)
