"""What people do with models: put one in force, in the shadow or for a share of entities, take it away."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.errors import InputError
from ringfence.events.activation import Part, activation
from ringfence.scoring.artifacts.promotion import challenged, promoted, rolled_out, without

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ringfence.events.batch import EventBatch
    from ringfence.ports.models import Deployments
    from ringfence.scoring.artifacts.artifact import Artifact
    from ringfence.scoring.artifacts.deployment import Deployment


class UnsoundError(InputError):
    """A model is to decide that its own training advises against."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who changes what is in force, when, and why."""

    author: str
    now_ms: int
    note: str = ""


def _nobody_asked(_told: str, _deployment: Deployment, _signed: Signed) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class ModelDesk:
    """The models of one store. `active` says what is in force, `put` appends an activation, durably.

    `approved` frames a change of what decides, told in words; it raises where a second person has to look
    first.
    """

    stored: Deployments
    active: Callable[[], Deployment]
    put: Callable[[EventBatch], int]
    approved: Callable[[str, Deployment, Signed], AbstractContextManager[None]] = _nobody_asked

    def keep(self, artifact: Artifact) -> bool:
        """Take a model into the store's own registry, checked; False if it is there already."""
        self.stored.check(artifact)
        return self.stored.registry.add(artifact)

    def promote(self, model: str, signed: Signed, *, force: bool = False) -> Deployment:
        """The model becomes the champion; one that its training advises against only with `force`."""
        changed = promoted(self.active(), self._worthwhile(model, force=force))
        return self._change(changed, signed, f"model {model} becomes the champion")

    def challenge(self, model: str, signed: Signed) -> Deployment:
        """The model is heard in the shadow."""
        return self._change(challenged(self.active(), self._unretired(model)), signed)

    def roll_out(
        self, model: str, share: float, by: str | None, signed: Signed, *, force: bool = False
    ) -> Deployment:
        """The model speaks for a share of all entities; `force` as of `promote`."""
        sound = self._worthwhile(model, force=force)
        changed = rolled_out(self.active(), sound, share, by)
        told = f"model {model} speaks for {100 * share:g} % of {by or 'customer'}s"
        return self._change(changed, signed, told)

    def retire(self, model: str, signed: Signed) -> Deployment:
        """The model is taken out of what is in force, and will not be taken in again."""
        self.stored.registry.read(model)
        left = without(self.active(), model)
        if left != self.active():
            if left.rollout and not left.champion:
                raise InputError(f"model {model} is the champion beside a rollout: promote another one first")
            self._change(left, signed, f"model {model} is retired")
        self.stored.registry.retire(model, signed.author, signed.note, signed.now_ms)
        return left

    def take_over(self, deployment: Deployment, who: Signed) -> None:
        """Keep models that another host has put in force; whoever asks has the log take their activation."""
        told = f"models {', '.join(deployment.models) or 'none'} decide, as on the Flink job"
        with self.approved(told, deployment, who):
            self.stored.keep(deployment, who.now_ms)

    def _change(self, deployment: Deployment, signed: Signed, told: str = "") -> Deployment:
        if deployment.digest == self.active().digest:
            raise InputError("nothing changes: this is in force already")
        with self.approved(told, deployment, signed) if told else nullcontext():
            self.stored.keep(deployment, signed.now_ms)
            self.put(
                activation(
                    Part.MODELS, deployment.digest, signed.now_ms, author=signed.author, note=signed.note
                )
            )
        return deployment

    def _worthwhile(self, model: str, *, force: bool) -> str:
        problems = self.stored.registry.read(self._unretired(model)).manifest.appraisal.problems
        if problems and not force:
            raise UnsoundError(
                f"model {model} is not worth promoting: {'; '.join(problems)}. Nothing was changed. "
                "Train another, or let it speak as a challenger; "
                f"`ringfence models promote {model} --force` insists"
            )
        return model

    def _unretired(self, model: str) -> str:
        if model in self.stored.registry.retired():
            raise InputError(
                f"model {model} is retired: train another, or delete retired/{model}.json in the registry"
            )
        return model
