"""What the Flink host is made of: what is missing is named with its remedy, and a package has all of it."""

import json
import os
import stat
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest

from ringfence.adapters.flink import parts as module
from ringfence.adapters.flink.job import FlinkJob, last_state, settings_of
from ringfence.adapters.flink.package import write_package
from ringfence.adapters.flink.parts import JAR_NAME, flink_parts
from ringfence.adapters.flink.private import replaced
from ringfence.adapters.flink.rest import innermost
from ringfence.adapters.flink.topics import java_properties
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.flink_host.check import Compared, compared, packed_up
from ringfence.compose.flink_host.running import FOLDER_NAME, Ends, activate, packed
from ringfence.compose.kafka import kafka_client
from ringfence.errors import InputError

KERNELS = "app/ringfence/features/kernel"
SOURCE = "kafka://broker:9092/payments,labels"
JOB = FlinkJob("n", "g", "b", {}, ("t",), ("t/0",), {"decisions": "d"}, "/p/plan", 1000, 20, 0.0, {})


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A repository with everything in it, each part a stand-in."""
    source, flink = tmp_path / "src", tmp_path / "flink"
    site = flink / ".venv/lib/python3.11/site-packages"
    for path in (
        source / "ringfence/__init__.py",
        source / "ringfence/__pycache__/x.pyc",
        flink / "ringfence_flink/main.py",
        flink / "ringfence_flink/job.py",
        site / "pyflink/bin/flink",
        site / "msgspec/__init__.py",
        flink / "java/target" / JAR_NAME,
        tmp_path / "bin/java",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
        path.chmod(0o755)
    monkeypatch.setattr(module, "SOURCE", source)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("bin/java", "install a JRE"),
        ("flink", "clone it, run `make flink` there"),
        ("flink/.venv/lib/python3.11/site-packages/pyflink/bin/flink", "run `make flink`"),
        (f"flink/java/target/{JAR_NAME}", "needs Maven"),
    ],
)
def test_a_missing_part_is_named_with_its_remedy(made, gone, said):
    assert flink_parts().home == made / "flink/.venv/lib/python3.11/site-packages/pyflink"
    (made / gone).rename(made / "away")
    with pytest.raises(InputError, match=said):
        flink_parts()


def test_a_package_has_the_job_what_it_needs_and_its_keys_for_one_user_only(made, tmp_path):
    parts, out, code = flink_parts(), tmp_path / "job.zip", tmp_path / "measure.1.nbc"
    code.write_bytes(b"machine code")
    job = replace(JOB, settings=settings_of(tmp_path, 1000, parts.python))
    group = write_package(out, parts, job, b"the plan", [code])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    files = group["PropertyMap"]
    with zipfile.ZipFile(out) as whole:
        assert set(whole.namelist()) == set(files.values())
        with zipfile.ZipFile(BytesIO(whole.read(files["pyFiles"]))) as host:
            told = json.loads(host.read("ringfence_flink/job.json"))
        with zipfile.ZipFile(BytesIO(whole.read(files["pyArchives"]))) as app:
            assert app.read("app/plan") == b"the plan"
            assert {"app/ringfence/__init__.py", "app/msgspec/__init__.py"} < set(app.namelist())
            kept = f"{KERNELS}/__pycache__/measure.1.nbc"
            assert app.read(kept) == b"machine code"
            assert f"{KERNELS}/SHIPPED" in app.namelist()
            others = [name for name in app.namelist() if name != kept]
            assert not [name for name in others if "pyflink" in name or "__pycache__" in name]
    assert told["plan"] == "app.zip/app/plan"
    assert not [name for name, value in told["settings"].items() if str(tmp_path) in str(value)]


def test_a_job_goes_on_at_its_newest_whole_state(tmp_path):
    assert last_state(tmp_path) is None
    for age, name in enumerate(["savepoints/savepoint-1", "checkpoints/a/chk-7", "checkpoints/a/chk-9"]):
        (tmp_path / name).mkdir(parents=True)
        if name != "checkpoints/a/chk-9":  # not complete
            (tmp_path / name / "_metadata").touch()
            os.utime(tmp_path / name / "_metadata", (age, age))
    assert last_state(tmp_path) == (tmp_path / "checkpoints/a/chk-7").as_uri()


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        ("a.B: outer\n\tat x\nCaused by: c.D: inner: why\n\tat y", "c.D: inner: why"),
        ("said\nCaused by: c.D: why\nCaused by: E: Python process exits with code: 1", "c.D: why"),
        ("a.B: alone\n\tat x", "a.B: alone"),
        ("", ""),
    ],
)
def test_of_a_trace_the_innermost_cause_is_told(trace, cause):
    assert innermost(trace) == cause


def test_what_is_secret_can_be_read_by_one_user_only(tmp_path):
    path = tmp_path / "plan"
    path.write_bytes(b"before")
    path.chmod(0o644)
    with replaced(path) as file:
        file.write(b"keys")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"keys", 0o600)


def test_outputs_have_names_of_their_own():
    plain = Ends.of(SOURCE, "decisions")
    assert plain.outputs == {
        "decisions": "decisions",
        "quarantine": "decisions-quarantine",
        "flag_matches": "decisions-flag-matches",
    }
    told = Ends.of(SOURCE, "kafka://broker:9092/d?quarantine=q&flag_matches=f", "rules")
    assert told.outputs == {"decisions": "d", "quarantine": "q", "flag_matches": "f"}
    assert told.source.address.topics == ("payments", "labels", "rules")
    assert told.controls(["payments/0", "labels/0", "rules/0", "rules/1"]) == ["rules/0", "rules/1"]


@pytest.mark.parametrize(
    ("source", "to", "said"),
    [
        (SOURCE, "labels", "one purpose"),
        (SOURCE, "d?quarantine=d", "one purpose"),
        (SOURCE, "d?flag_matches=d", "one purpose"),
        (SOURCE, "d?flagged=f", "no option"),
        (SOURCE, "kafka://other:9092/d", "one cluster"),
        ("payments.csv", "d", "kafka://BROKER"),
        (SOURCE + "?mapping=own.toml", "d", "no option"),
    ],
)
def test_ends_that_make_no_sense_are_refused(source, to, said):
    with pytest.raises(InputError, match=said):
        Ends.of(source, to)


@pytest.mark.parametrize("control", ["labels", "a,b", "a b"])
def test_a_control_topic_is_one_of_its_own(control):
    with pytest.raises(InputError, match=r"none of those with payments|names no topic"):
        Ends.of(SOURCE, "decisions", control)


def test_rules_are_put_in_force_only_on_a_job_that_takes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    definitions = load_definitions(None, None)
    with pytest.raises(InputError, match="no job has begun"):
        activate(tmp_path, Ends.of(SOURCE, "decisions", "rules"), definitions, author="mira")
    (tmp_path / FOLDER_NAME).mkdir()
    began = packed(definitions, ["payments/0", "other/0"], 2, ["other/0"])
    (tmp_path / FOLDER_NAME / "plan").write_bytes(began)
    for control in (None, "rules", "payments2"):
        with pytest.raises(InputError, match="begin the job with --control"):
            activate(tmp_path, Ends.of(SOURCE, "decisions", control), definitions, author="mira")
    assert activate(tmp_path, Ends.of(SOURCE, "decisions", "other"), definitions, author="mira") == {}


def test_a_schema_registry_is_refused(monkeypatch):
    monkeypatch.setenv("RINGFENCE_KAFKA_SCHEMA_REGISTRY_URL", "http://registry:8081")
    with pytest.raises(InputError, match="reads no schema registry"):
        Ends.of(SOURCE, "decisions")


def test_users_and_passwords_reach_kafkas_client_in_java(monkeypatch):
    for name, value in {"USERNAME": "bank", "PASSWORD": 'a"\\b', "MECHANISM": "SCRAM-SHA-512"}.items():
        monkeypatch.setenv(f"RINGFENCE_KAFKA_SASL_{name}", value)
    monkeypatch.setenv("RINGFENCE_KAFKA_SSL_CA_LOCATION", "/ca.pem")
    given = java_properties(kafka_client(SOURCE + "?security.protocol=SASL_SSL", {}))
    assert given == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="bank" password="a\\"\\\\b";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
    }
    monkeypatch.setenv("RINGFENCE_KAFKA_SSL_KEY_PASSWORD", "hunter2")
    with pytest.raises(InputError, match=r"ssl\.key\.password") as refused:
        java_properties(kafka_client(SOURCE, {}))
    assert "hunter2" not in str(refused.value)


def test_each_difference_between_two_hosts_is_counted_and_named():
    said = {n: {"offset": n, "transaction_id": f"t{n}", "score": 1.0, "decided_at_ms": 0} for n in range(4)}
    wanted = {n: packed_up(json.dumps(one).encode()) for n, one in said.items()}
    written = [
        said[0] | {"decided_at_ms": 5},
        said[1] | {"score": 1.0000000000000002},
        said[2],
        said[2],
        said[0] | {"offset": 9},
    ]
    assert compared(wanted, iter(written[:1] + [said[n] for n in (1, 2, 3)])).is_same
    assert compared(wanted, iter(written)) == Compared(
        equal=2,
        unequal=1,
        missing=1,
        twice=1,
        unknown=1,
        named=[
            "t1 differs in score",
            "t2 was decided twice",
            "t0 at offset 9 is no payment of the topics",
            "t3 is not decided",
        ],
    )
