"""Records in, decisions and quarantine out: what a host hands over, and what is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests import artifacts
from tests.spine import START_MS, payments

from ringfence.adapters.artifacts import read_folder
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.models import model_registry
from ringfence.compose.flink_host.sharded import is_upgrade, pack_project, plan_of, upgraded
from ringfence.compose.folder.store import open_store
from ringfence.decisions.decision import DecisionBatch
from ringfence.errors import CorruptError, InputError, RuleError, SpecError
from ringfence.events.activation import Part
from ringfence.events.mapping import load_mapping
from ringfence.features.catalog import NETWORK
from ringfence.features.engine import Engine
from ringfence.features.kernel.measure import measure
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.scoring.rulesets.rules import compile_rules
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.sharded import frame
from ringfence.sharded.changes import activation_record
from ringfence.sharded.frames import parsed
from ringfence.sharded.plan import check_rules, check_spec
from ringfence.testing.local_host import LocalHost

BOOK = """
rules:
  - {id: large, title: Large, when: "amount > 1000", outcome: review, reason: LARGE, analyst: A.}
"""
FEATURES = """
from ringfence.features.spec import FeatureSpec, entity
spec = FeatureSpec.of(entity("card").count("1d"), entity("merchant").sum("amount", "1h"))
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A project of two files and a data folder, packed for workers."""
    folder = tmp_path_factory.mktemp("flinkcore")
    (folder / "features.py").write_text(FEATURES)
    (folder / "rules.yaml").write_text(BOOK)
    definitions = load_definitions(folder / "features.py", folder / "rules.yaml")
    with open_store(folder / "data") as store:
        return pack_project(
            definitions,
            store.meta,
            load_mapping("canonical"),
            ["payments/0", "control/0"],
            controls=["control/0"],
            shards=2,
        )


def value(number, **fields):
    row = {name: told for name, told in payments(30)[number].items() if not name.startswith("event_time")}
    row |= {"event_time": (START_MS + number) / 1000, "amount_minor": 5_000} | fields
    return json.dumps(row | {"event_time": "2023-11-15T00:00:00Z"}).encode()


def sent(host, partition, values, begin):
    times = [START_MS + begin + number for number in range(len(values))]
    data = frame(partition, list(range(begin, begin + len(values))), times, values)
    host.send(host.stage("door", partition).take(data), "door", partition)
    host.run()


def test_records_become_decisions_and_the_rest_is_named(packed):
    """A payment twice, one with other content, no JSON, a tombstone; rules change, and some may not."""
    host = LocalHost(plan_of(packed))
    calm = host.plan.rules.ruleset
    strict = RuleSet.from_json(calm.to_json().replace("amount > 1000", "amount > 10"))
    clash = value(0, amount_minor=7)
    sent(host, 0, [value(0), None, value(0), clash, b"{", value(1)], 0)
    sent(host, 1, [activation_record(Part.RULES, strict.digest, strict.to_json())], 50)
    sent(host, 1, [activation_record(Part.RULES, "0" * 16), activation_record(Part.MODELS, "1" * 16)], 60)
    sent(host, 1, [activation_record(Part.RULES, strict.digest)], 70)  # another worker may not know them
    sent(host, 0, [value(2), activation_record(Part.RULES, calm.digest, calm.to_json())], 100)
    for partition in range(2):
        host.lose_all()
        host.send(host.stage("door", partition).close(), "door", partition)
    host.run()
    decided = [DecisionBatch.decode(one.data) for one in host.outputs["decisions"]]
    rows = sorted(
        (row["offset"], row["transaction_id"], row["outcome"], one.table.schema.metadata[b"rules"].decode())
        for one in decided
        for row in one.table.to_pylist()
    )
    assert rows == [
        (0, "tx-0", "approve", calm.digest),
        (1, "tx-1", "approve", calm.digest),
        (3, "tx-2", "review", strict.digest),
    ]
    refused = [json.loads(one.data)["faults"][0]["problem"] for one in host.outputs["quarantine"]]
    assert len(refused) == 6
    assert sum("came before with other content" in one for one in refused) == 1
    assert sum("came without their text" in one for one in refused) == 2
    assert sum("not shipped with the job" in one for one in refused) == 1


def test_a_model_of_the_registry_takes_effect_at_its_record_on_every_worker(tmp_path):
    """Also behind a loss of all workers; one that no worker finds is refused with the remedy."""
    definitions = load_definitions(None, None)
    for name, seed in (("kept", 1), ("elsewhere", 2)):
        artifacts.make(tmp_path / name, arrays=artifacts.grow(3, seed, spread=60.0))
    model, unknown = (read_folder(tmp_path / name) for name in ("kept", "elsewhere"))
    registry = model_registry(tmp_path / "data")
    registry.add(model)
    with open_store(tmp_path / "data") as store:
        packed = pack_project(
            definitions,
            store.meta,
            load_mapping("canonical"),
            ["payments/0", "control/0"],
            controls=["control/0"],
            shards=2,
            registry=registry.where,
        )
    host = LocalHost(plan_of(packed))
    one, other = (Deployment(champion=artifact.digest) for artifact in (model, unknown))
    sent(host, 0, [value(0)], 0)
    records = [activation_record(Part.MODELS, made.digest, made.to_json()) for made in (one, other)]
    sent(host, 1, [*records, activation_record(Part.MODELS, "0" * 16, one.to_json())], 50)
    sent(host, 0, [value(1)], 100)
    for partition in range(2):
        host.lose_all()
        host.send(host.stage("door", partition).close(), "door", partition)
    host.run()
    decided = [DecisionBatch.decode(element.data) for element in host.outputs["decisions"]]
    rows = sorted((row["offset"], row["model"]) for batch in decided for row in batch.table.to_pylist())
    assert rows == [(0, None), (2, model.digest)]
    refused = [json.loads(found.data)["faults"][0]["problem"] for found in host.outputs["quarantine"]]
    assert len(refused) == 2
    assert f"model '{unknown.digest}' is not in" in refused[0]
    assert "ringfence models import" in refused[0]
    assert "the text is that of" in refused[1]


def test_a_changed_project_goes_on_with_what_has_changed_as_records(packed, tmp_path):
    began, folder = plan_of(packed), tmp_path
    (folder / "features.py").write_text(FEATURES)

    def now(book=BOOK, model=None):
        (folder / "rules.yaml").write_text(book)
        return load_definitions(folder / "features.py", folder / "rules.yaml", model)

    assert upgraded(packed, now(), "mira").records == []
    strict = now(BOOK.replace("1000", "10"))
    made = upgraded(packed, strict, "mira")
    assert [json.loads(one)["digest"] for one in made.records] == [strict.rules.ruleset.digest]
    assert is_upgrade(packed, made.plan)
    assert upgraded(made.plan, strict, "mira").records == []
    assert plan_of(made.plan).rules.ruleset == began.rules.ruleset  # until the record comes
    back = upgraded(made.plan, now(), "mira")
    assert json.loads(back.records[0])["body"] == began.rules.ruleset.to_json()
    (folder / "features.py").write_text(FEATURES.replace("1d", "2d"))
    with pytest.raises(InputError, match="measures"):
        upgraded(packed, now(), "mira")
    acting = BOOK.replace("reason:", "add_to: {list: bad, kind: block, entity: card}, reason:")
    (folder / "features.py").write_text(FEATURES)
    with pytest.raises(RuleError, match="add_to"):
        upgraded(packed, now(acting), "mira")


def test_what_a_sharded_host_cannot_do_equally_is_refused_by_name():
    card = entity("card")
    with pytest.raises(SpecError, match="entity graph"):
        check_spec(NETWORK)
    with pytest.raises(SpecError, match=r"card\.sum_refunded_7d"):
        check_spec(FeatureSpec.of(card.sum("refunded", "7d")))
    text = BOOK.replace("reason:", "add_to: {list: bad, kind: block, entity: card}, reason:")
    spec = FeatureSpec.of(card.count("1d"))
    from ringfence.scoring.rulesets.books import load_book  # noqa: PLC0415 (beside its only use)

    with pytest.raises(RuleError, match="rules large put entries into lists"):
        check_rules(compile_rules(load_book(text), spec))


def test_partitions_are_named_once_and_those_that_steer_among_them(packed):
    identity, mapping = plan_identity(packed), load_mapping("canonical")
    definitions = load_definitions(None, None)
    with pytest.raises(InputError, match="named twice"):
        pack_project(definitions, identity, mapping, ["a/0", "a/0"])
    with pytest.raises(InputError, match="'b/0' is none of the partitions"):
        pack_project(definitions, identity, mapping, ["a/0"], controls=["b/0"])
    with pytest.raises(SpecError, match="shards is between 1 and 4096, not 0"):
        pack_project(definitions, identity, mapping, ["a/0"], shards=0)


def plan_identity(packed):
    class Known:
        hash_seed, token_key = plan_of(packed).seed, bytes(32)

    return Known()


@pytest.mark.parametrize("cut", [1, 11, 30, -1])
def test_a_frame_cut_short_is_refused(cut):
    whole = frame(0, [5, 6], [1, 2], [b"{}", None])
    assert parsed(whole).values == [b"{}", None]
    with pytest.raises(CorruptError, match="frame"):
        parsed(whole[:cut])


def test_rows_in_memory_that_may_not_be_written_compile_nothing():
    spec = FeatureSpec.of(entity("card").count("1d"), entity("card").distance_km())
    one, other = Engine(spec), Engine(spec)
    columns = one._compiled.input_columns
    rows, places = np.ones((4, columns), np.int64), np.zeros((4, 2))
    rows[:, 0] = 0
    wanted, found = np.empty((2, 4)), np.empty((2, 4))
    one.run(rows, places, wanted)
    known = len(getattr(measure, "signatures", ()))
    rows.flags.writeable = places.flags.writeable = False
    other.run(rows, places, found)
    assert found.tobytes() == wanted.tobytes()
    assert len(getattr(measure, "signatures", ())) == known
