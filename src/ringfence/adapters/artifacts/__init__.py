"""Model artifacts: folders that are checked, kept by their content, and loaded as scorers."""

from ringfence.adapters.artifacts.loading import load_scorer
from ringfence.adapters.artifacts.reading import Artifact, read_artifact
from ringfence.adapters.artifacts.registry import ModelRegistry

__all__ = ["Artifact", "ModelRegistry", "load_scorer", "read_artifact"]
