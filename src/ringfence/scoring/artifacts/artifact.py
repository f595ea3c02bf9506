"""A model as files: a manifest, and what it names."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.scoring.artifacts.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Artifact:
    """The content of a folder that is what its manifest says.

    `damaged` are files that no score depends on, and that are not among `files` because they are gone or have
    changed.
    """

    manifest: Manifest
    digest: str
    files: Mapping[str, bytes]  # with the manifest itself
    damaged: tuple[str, ...] = ()

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of an `.npz` file of it."""
        try:
            with np.load(io.BytesIO(self.files[name]), allow_pickle=False) as found:
                return {each: found[each] for each in found.files}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ScorerError(
                f"{name} of model {self.digest} holds no plain arrays: train the model again"
            ) from error
