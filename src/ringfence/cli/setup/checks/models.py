"""The models that are kept: whole, fitting the features in use, and answering where they answer elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import httpx
import numpy as np

from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.setup.checks.clocks import skew
from ringfence.compose.deciding.models import in_force, load_model, model_registry
from ringfence.compose.folder.store import has_store, open_store
from ringfence.errors import RingfenceError, ScorerError
from ringfence.scoring.artifacts.models import RemoteScorer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ringfence.features.spec import FeatureSpec

_PATIENCE_SECONDS: Final = 3.0
_CALLS: Final = 5
_OF_A_SERVICE: Final = (
    "Serve the version that it names, set RINGFENCE_MODEL_KEY, or allow a longer --deadline-ms."
)
_OF_SAGEMAKER: Final = (
    "See that the endpoint is InService with the version that it names (`aws sagemaker describe-endpoint`), "
    "and that this user may sagemaker:InvokeEndpoint; or allow a longer --deadline-ms."
)


def models(folder: Path, spec: FeatureSpec | None) -> Iterator[Check]:
    """Every model in the data folder; `spec` are the features in use, None where they do not compile."""
    registry, deciding = model_registry(folder), _in_force(folder)
    if not (folder / "models").is_dir() and not deciding:
        yield Check("models", State.FINE, "none: rules decide alone")
        return
    digests = sorted({*registry.digests(), *deciding})
    sound = 0
    for digest in digests:
        bad = State.BAD if digest in deciding else State.NOTE
        try:
            artifact = registry.read(digest)
            scorer = load_model(artifact, spec)
        except RingfenceError as error:
            remedy = "Import it again (`ringfence models import`), or retire it (`ringfence models retire`)."
            yield Check(f"model {digest}", bad, str(error), remedy)
            continue
        sound += 1
        if artifact.damaged:
            said = f"{', '.join(artifact.damaged)} cannot be read: it decides, but its pages lack them"
            yield Check(f"model {digest}", State.NOTE, said, "Import it again, if you want to see them.")
        if isinstance(scorer, RemoteScorer):
            yield from _remote(scorer, bad)
            scorer.close()
    force = f"{len(deciding)} in force" if deciding else "none in force"
    yield Check("models", State.FINE, f"{sound} of {len(digests)} load and fit the features in use, {force}")


def _in_force(folder: Path) -> tuple[str, ...]:
    if not has_store(folder):
        return ()
    with open_store(folder, read_only=True) as store:
        return in_force(store).models


def _pinged(url: str, part: str, bad: State) -> Generator[Check, None, bool]:
    """Whether the service says that it is there; `bad` checks say why not."""
    ping = f"{url.rpartition('/')[0]}/ping"
    try:
        answer = httpx.get(ping, timeout=_PATIENCE_SECONDS)
    except httpx.HTTPError as error:
        said = f"{ping} cannot be reached ({type(error).__name__})"
        remedy = "Start it (`ringfence model serve`), or check its address and the network."
        yield Check(part, bad, said, remedy)
        return False
    yield from skew(part, answer)
    if answer.status_code != 200:
        yield Check(part, bad, f"{ping} answers {answer.status_code}", "See what its log says.")
        return False
    return True


def _remote(scorer: RemoteScorer, bad: State) -> Iterator[Check]:
    """Whether it is there, is the version that it should be, and how long its answers take."""
    part, endpoint = f"model {scorer.digest}", scorer.endpoint
    # SageMaker asks its containers itself, and lets nobody else ask.
    if not endpoint.region and not (yield from _pinged(endpoint.url, part, bad)):
        return
    row = np.zeros((1, len(scorer.inputs)))
    taken = []
    try:
        for _ in range(_CALLS):
            begin = time.perf_counter()
            scorer.score(row)
            taken.append(1000 * (time.perf_counter() - begin))
    except ScorerError as error:
        yield Check(part, bad, str(error), _OF_SAGEMAKER if endpoint.region else _OF_A_SERVICE)
        return
    allowed = endpoint.deadline_ms
    said = f"{endpoint.url} answers in {min(taken):.0f} to {max(taken):.0f} ms, {allowed} ms allowed"
    if max(taken) > allowed / 2:
        remedy = (
            "Little is left for a slow moment: bring it nearer, or describe it with a longer --deadline-ms."
        )
        yield Check(part, State.NOTE, said, remedy)
    else:
        yield Check(part, State.FINE, said)
