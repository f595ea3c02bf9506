"""A project for a distributed host: packed into bytes where its folder is, unpacked where workers are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ringfence.adapters.artifacts import load_scorer, read_folder
from ringfence.adapters.framed_records import FramedDecoding
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.compose.clock import SystemClock
from ringfence.compose.deciding.models import model_store
from ringfence.errors import InputError
from ringfence.events.activation import Part
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.events.values.norms import Norms
from ringfence.events.values.vocabulary import Mapping  # noqa: TC001 (msgspec reads annotations at run time)
from ringfence.features.spec import FeatureSpec
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.artifacts.models import NO_MODELS, Models
from ringfence.scoring.rulesets.compiled_books import compiled_of
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.sharded import ShardedPlan
from ringfence.sharded.changes import activation_record
from ringfence.sharded.library import ControlLibrary
from ringfence.sharded.plan import check_rules
from ringfence.sharded.references import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ringfence.compose.deciding.definitions import Definitions
    from ringfence.scoring.artifacts.models import Scorer
    from ringfence.store import Identity

_MOST_LATER: Final = 16


class _Packed(msgspec.Struct, frozen=True):
    """Everything that a plan is made of; it holds secrets."""

    spec: str
    rules: str
    mapping: Mapping
    seed: int
    token_key: bytes
    null_values: tuple[str, ...]
    keep_values: tuple[str, ...]
    partitions: tuple[str, ...]
    controls: tuple[int, ...]
    shards: int
    id_shards: int
    lanes: int
    model: dict[str, bytes] = {}  # files of the champion
    later: tuple[dict[str, bytes], ...] = ()  # models that were put in force since
    current_rules: str = ""  # what the project's files said last; empty: what they said first
    current_model: str | None = None  # likewise, the deployment's digest
    registry: str = ""  # where every worker finds models that are put in force; empty for nowhere


class Upgrade(NamedTuple):
    """What a job goes on with whose project has changed.

    Attributes:
        plan: the plan, packed.
        records: for a partition that may put versions in force, in this order.
        versions: what these put in force, by part.
        before: the rules that the job has.
    """

    plan: bytes
    records: list[bytes]
    versions: dict[Part, str]
    before: RuleSet


def pack_project(
    definitions: Definitions,
    identity: Identity,
    mapping: Mapping,
    partitions: Sequence[str],
    *,
    controls: Collection[str] = (),
    shards: int = 8,
    id_shards: int = 2,
    lanes: int = 2,
    null_values: Sequence[str] = (),
    keep_values: Sequence[str] = (),
    registry: str = "",
) -> bytes:
    """What a worker makes a plan of. It holds the store's secrets: keep it as them.

    `partitions` are named as `topic/number`, in the order in which ties are settled; those of `controls` may
    put versions in force; `registry` is where every worker finds their models. `SpecError`, `RuleError`: what
    a sharded host would not do as the embedded does.
    """
    numbers = {name: number for number, name in enumerate(partitions)}
    if len(numbers) < len(partitions):
        raise InputError("a partition is named twice: each has one place in the order")
    if unknown := sorted(set(controls) - numbers.keys()):
        raise InputError(f"{unknown[0]!r} is none of the partitions: name it among them as well")
    packed = _Packed(
        definitions.spec.to_json(),
        definitions.rules.ruleset.to_json(),
        mapping,
        identity.hash_seed,
        identity.token_key,
        tuple(null_values),
        tuple(keep_values),
        tuple(partitions),
        tuple(sorted(numbers[name] for name in controls)),
        shards,
        id_shards,
        lanes,
        _files(definitions),
        registry=registry,
    )
    data = msgspec.msgpack.encode(packed)
    plan_of(data)
    return data


def takes_changes(plan: bytes, topic: str) -> bool:
    """Whether records of a topic may put versions in force in a job."""
    found = msgspec.msgpack.decode(plan, type=_Packed)
    return topic in {found.partitions[number].rpartition("/")[0] for number in found.controls}


def finds_models(plan: bytes) -> bool:
    """Whether the workers of a job find models by themselves that were not shipped with it."""
    return bool(msgspec.msgpack.decode(plan, type=_Packed).registry)


def is_upgrade(before: bytes, now: bytes) -> bool:
    """Whether a project differs in its rules and its model only from one that a job runs by."""
    one, other = (msgspec.msgpack.decode(data, type=_Packed) for data in (before, now))
    return _fixed(one) == _fixed(other)


def _fixed(packed: _Packed) -> bytes:
    bare = msgspec.structs.replace(packed, rules="", model={}, later=(), current_rules="", current_model=None)
    return msgspec.msgpack.encode(msgspec.structs.replace(bare, registry=""))


def with_registry_of(plan: bytes, other: bytes) -> bytes:
    """A plan whose workers look for models where those of another one do."""
    found, told = (msgspec.msgpack.decode(data, type=_Packed) for data in (plan, other))
    return msgspec.msgpack.encode(msgspec.structs.replace(found, registry=told.registry))


def upgraded(before: bytes, definitions: Definitions, author: str) -> Upgrade:
    """The plan of a job that has begun, with the rules and the model that the project's files have now.

    `InputError` where other features are measured, or too many models came since the job began; `RuleError`
    for rules that a sharded host does not run.
    """
    old = msgspec.msgpack.decode(before, type=_Packed)
    spec = definitions.spec
    if spec.to_json() != old.spec:
        raise InputError(
            "the features are others than the job measures: a job keeps those that it began with"
        )
    records, versions = [], {}
    book = definitions.rules.ruleset
    text = book.to_json()
    if text != (old.current_rules or old.rules):
        check_rules(definitions.rules)
        records.append(activation_record(Part.RULES, book.digest, text, author=author))
        versions[Part.RULES] = book.digest
    files = _files(definitions)
    first = _models(old.model, spec).deployment.digest
    deployment = _models(files, spec).deployment
    digest = deployment.digest
    later = old.later
    if digest != (first if old.current_model is None else old.current_model):
        known = {first, "", *(_models(one, spec).deployment.digest for one in later)}
        if digest not in known:
            later = (*later, files)
        if len(later) > _MOST_LATER:
            raise InputError(f"more than {_MOST_LATER} models came since the job began: begin anew")
        records.append(activation_record(Part.MODELS, digest, deployment.to_json(), author=author))
        versions[Part.MODELS] = digest
    new = msgspec.structs.replace(old, later=later, current_rules=text, current_model=digest)
    before_rules = RuleSet.from_json(old.current_rules or old.rules)
    return Upgrade(msgspec.msgpack.encode(new), records, versions, before_rules)


def first_versions(plan: bytes) -> dict[Part, str]:
    """What a job decides by that begins with a plan, by part; no model where it has none."""
    found = msgspec.msgpack.decode(plan, type=_Packed)
    versions = {Part.RULES: RuleSet.from_json(found.rules).digest}
    if found.model:
        spec = FeatureSpec.from_json(found.spec)
        versions[Part.MODELS] = _models(found.model, spec).deployment.digest
    return versions


def _files(definitions: Definitions) -> dict[str, bytes]:
    return {} if definitions.model is None else dict(definitions.model.files)


def plan_of(packed: bytes) -> ShardedPlan:
    """The plan of a project that was packed. Once in a process: compiled rules and models are shared."""
    found = msgspec.msgpack.decode(packed, type=_Packed)
    spec = FeatureSpec.from_json(found.spec)
    tokenizer = Tokenizer(found.token_key, Norms(found.null_values, found.keep_values))
    rules = compiled_of(RuleSet.from_json(found.rules), spec)
    models = _models(found.model, spec)
    return ShardedPlan(
        spec=spec,
        rules=rules,
        partitions=found.partitions,
        decode=FramedDecoding(StreamDecoding(found.mapping, tokenizer, {})),
        canonical=FramedDecoding(StreamDecoding(load_mapping("canonical"), tokenizer, {})),
        keys_digest=keys_of(tokenizer),
        seed=found.seed,
        models=models,
        library=ControlLibrary(
            spec,
            rules,
            models,
            [_models(files, spec) for files in found.later],
            _from_registry(found.registry, spec) if found.registry else None,
        ),
        controls=frozenset(found.controls),
        shards=found.shards,
        id_shards=found.id_shards,
        lanes=found.lanes,
        now_ms=SystemClock().now_ms,
    )


def _models(files: dict[str, bytes], spec: FeatureSpec) -> Models:
    if not files:
        return NO_MODELS
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        artifact = read_folder(Path(folder))
        scorer = load_scorer(artifact, spec)
    return Models(Deployment(champion=artifact.digest), {artifact.digest: scorer})


def _from_registry(place: str, spec: FeatureSpec) -> Callable[[Deployment], Models]:
    registry = model_store(place)
    scorers: dict[str, Scorer] = {}

    def load(deployment: Deployment) -> Models:
        for digest in deployment.models:
            if digest not in scorers:
                scorers[digest] = load_scorer(registry.read(digest), spec)
        return Models(deployment, {digest: scorers[digest] for digest in deployment.models})

    return load
