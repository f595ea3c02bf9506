"""Whether a model fits what is measured here: the same inputs, defined in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.errors import InputError, ScorerError
from ringfence.scoring.artifacts.inputs import check_inputs
from ringfence.scoring.artifacts.manifest import feature_hashes
from ringfence.scoring.language.names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.artifacts.manifest import Manifest


def check_fit(manifest: Manifest, spec: FeatureSpec) -> None:
    """`ScorerError` names what the model was trained on and the specification lacks or defines otherwise."""
    here = feature_hashes(spec)
    missing = [name for name in manifest.features if name not in here]
    other = [name for name, digest in manifest.features.items() if here.get(name, digest) != digest]
    who = f"model {manifest.name!r}"
    if missing:
        raise ScorerError(
            f"{who} was trained with {_named(missing)}, which the features in use lack: declare them "
            "again, or train the model on these features"
        )
    if other:
        raise ScorerError(
            f"{who} was trained with another definition of {_named(other)}: restore that definition, or "
            "train the model on these features"
        )
    try:
        check_inputs(manifest.inputs, Names(spec))
    except InputError as error:
        raise ScorerError(f"{who}: {error}") from error


def _named(names: Sequence[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
