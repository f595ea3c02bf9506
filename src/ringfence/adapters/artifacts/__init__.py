"""Model artifacts: folders that are checked, kept by their content, and loaded as scorers."""

from ringfence.adapters.artifacts.loading import LocalScorer, load_local, load_scorer
from ringfence.adapters.artifacts.reading import read_artifact
from ringfence.adapters.artifacts.registry import ModelRegistry, read_folder
from ringfence.adapters.artifacts.stored import StoredModels

__all__ = [
    "LocalScorer",
    "ModelRegistry",
    "StoredModels",
    "load_local",
    "load_scorer",
    "read_artifact",
    "read_folder",
]
