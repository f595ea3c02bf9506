"""Which models speak, and for whom: data, so that a change of it is a version like any other."""

from __future__ import annotations

import hashlib
from functools import cached_property

import msgspec

from ringfence.errors import InputError
from ringfence.features.spec import ENTITY_KEYS


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model that speaks for a share of all entities, always the same ones."""

    model: str  # digest
    share: float  # above 0, up to 1


class Deployment(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
    repr_omit_defaults=True,
    dict=True,
):
    """The champion speaks, except for the entities of a rollout; challengers are heard and change nothing."""

    champion: str = ""  # digest of a model; empty: none
    challengers: tuple[str, ...] = ()
    rollout: tuple[Share, ...] = ()
    by: str = "customer"  # entity whose id says who belongs to a rollout

    def __post_init__(self) -> None:
        if self.by not in ENTITY_KEYS:
            raise InputError(f"a rollout is by {', '.join(ENTITY_KEYS)}, not by {self.by[:40]!r}")
        if any(not 0 < one.share <= 1 for one in self.rollout) or sum(one.share for one in self.rollout) > 1:
            raise InputError("the shares of a rollout are above 0, and 1 at most together")

    @property
    def models(self) -> tuple[str, ...]:
        """Digests of all models, each once: those that speak first."""
        speaking = [self.champion, *(one.model for one in self.rollout)]
        return tuple(dict.fromkeys(name for name in (*speaking, *self.challengers) if name))

    def to_json(self) -> str:
        """Canonical text: equal deployments give equal texts."""
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def from_json(cls, text: str) -> Deployment:
        """The deployment that `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)

    @cached_property
    def digest(self) -> str:
        """Content hash, 16 hex digits; empty where no model speaks or is heard."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16] if self.models else ""
