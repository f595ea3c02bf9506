"""Changes of a deployment: each gives a new one, with every model in one role at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ringfence.errors import InputError
from ringfence.scoring.artifacts.deployment import Deployment, Share

if TYPE_CHECKING:
    from collections.abc import Mapping


def promoted(deployment: Deployment, model: str) -> Deployment:
    """The model speaks for everybody who is in no rollout; the champion of before goes.

    >>> promoted(Deployment(champion="a", challengers=("b",)), "b")
    Deployment(champion='b')
    """
    return msgspec.structs.replace(without(deployment, model), champion=model)


def challenged(deployment: Deployment, model: str) -> Deployment:
    """The model is heard in the shadow, and changes nothing.

    >>> challenged(Deployment(champion="a"), "b").challengers
    ('b',)
    """
    left = without(deployment, model)
    return msgspec.structs.replace(left, challengers=(*left.challengers, model))


def rolled_out(deployment: Deployment, model: str, share: float, by: str | None = None) -> Deployment:
    """The model speaks for a share of all entities; one that grows keeps those it had, if it stands first.

    >>> rolled_out(Deployment(champion="a"), "b", 0.1).rollout
    (Share(model='b', share=0.1),)
    """
    mine = Share(model, share)
    if any(one.model == model for one in deployment.rollout):
        rollout = tuple(mine if one.model == model else one for one in deployment.rollout)
        left = deployment
    else:
        left = without(deployment, model)
        rollout = (*left.rollout, mine)
    if not left.champion:
        raise InputError("a rollout needs a champion for everybody else: promote one first")
    return msgspec.structs.replace(left, rollout=rollout, by=by or left.by)


def without(deployment: Deployment, model: str) -> Deployment:
    """The deployment without the model, whatever its part was.

    >>> without(Deployment(champion="a", challengers=("b",)), "a")
    Deployment(challengers=('b',))
    """
    return msgspec.structs.replace(
        deployment,
        champion="" if deployment.champion == model else deployment.champion,
        challengers=tuple(one for one in deployment.challengers if one != model),
        rollout=tuple(one for one in deployment.rollout if one.model != model),
    )


def roles(deployment: Deployment) -> Mapping[str, str]:
    """What each model of a deployment is, in words, by digest.

    >>> roles(Deployment(champion="a", challengers=("b",)))
    {'a': 'champion', 'b': 'challenger'}
    """
    found = {one.model: f"rollout, {100 * one.share:.4g} % by {deployment.by}" for one in deployment.rollout}
    found |= dict.fromkeys(deployment.challengers, "challenger")
    return ({deployment.champion: "champion"} if deployment.champion else {}) | found
