"""Nothing comes in force on a Flink job that a second person has to see first, and nothing off the record."""

import json
from contextlib import closing

import pytest
from tests.kafka import broker

from ringfence.access.approvals import AwaitingApprovalError
from ringfence.adapters.audit.trail import SqliteTrail
from ringfence.adapters.flink import parts as module
from ringfence.cli import execute
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.compose.flink_host import running as flink
from ringfence.compose.flink_host.approval import approved
from ringfence.compose.flink_host.running import FOLDER_NAME, Ends, packed
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.folder.store import open_store
from ringfence.errors import StoreError
from ringfence.events.activation import Part
from ringfence.rulebook.changes import ApprovalError
from ringfence.rulebook.desk import Who, with_mode
from ringfence.saving import Snapshotting
from ringfence.scoring.rulesets.books import dump_book
from ringfence.scoring.rulesets.outcomes import Mode

STAMPED = {"message.timestamp.type": "LogAppendTime"}


class Project:
    """A project with topics of a real Kafka, whose rules can be changed."""

    def __init__(self, folder, monkeypatch):
        self.kafka = broker()
        self.folder = folder
        self.payments, self.control = (self.kafka.topic(1, **STAMPED) for _ in range(2))
        outputs = [self.kafka.topic() for _ in range(3)]
        self.to = f"{outputs[0]}?quarantine={outputs[1]}&flag_matches={outputs[2]}"
        self._monkeypatch = monkeypatch

    @property
    def source(self):
        return f"kafka://{self.kafka.address}/{self.payments}"

    @property
    def ends(self):
        to = f"kafka://{self.kafka.address}/{self.to}"
        return Ends.of(self.source, to, self.control)

    def definitions(self):
        path = self.folder / "rules.yaml"
        return load_definitions(None, path if path.exists() else None)

    def change_rules(self):
        """Switch off a rule in the project's file; the digest of the rules that it has now."""
        rules = self.definitions().rules.ruleset
        changed = with_mode(rules, rules.rules[0].id, Mode.SHADOW)
        (self.folder / "rules.yaml").write_text(dump_book(changed))
        self._monkeypatch.setenv("RINGFENCE_RULES", str(self.folder / "rules.yaml"))
        return changed.digest

    def approve(self, digest):
        """As somebody else."""
        with open_session(
            self.folder / "data", self.definitions(), Snapshotting(), require_approval=True
        ) as session:
            session.desk().review(digest, Who("user:vera", session.clock.now_ms()), approve=True)

    def activations(self):
        """Digests in the control topic."""
        return [json.loads(one.value())["digest"] for one in self.kafka.content(self.control)]

    def acts(self):
        with closing(SqliteTrail(self.folder / "data")) as trail:
            return [(one.act.action, one.act.object, one.act.outcome) for one in trail.records()]


@pytest.fixture
def project(tmp_path, monkeypatch):
    found = Project(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["rules"]')
    return found


@pytest.fixture
def no_flink(tmp_path, monkeypatch):
    """Every part of Flink, whose JobManager ends at once."""
    host = tmp_path / "host"
    home = host / "flink/.venv/lib/python3.11/site-packages/pyflink"
    for path, text in {
        host / "src/ringfence/__init__.py": "",
        home / "bin/flink": "",
        home / "bin/jobmanager.sh": "#!/bin/sh\nexit 1\n",
        home / "conf/config.yaml": "{}",
        host / "flink/java/target" / module.JAR_NAME: "",
        host / "bin/java": "",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setattr(module, "SOURCE", host / "src")
    monkeypatch.setenv("PATH", str(host / "bin"), prepend=":")


def test_rules_that_only_one_person_has_seen_reach_no_job(project):
    began = packed(
        project.definitions(), project.ends.partitions(), 2, project.ends.controls([f"{project.control}/0"])
    )
    (project.folder / FOLDER_NAME).mkdir()
    (project.folder / FOLDER_NAME / "plan").write_bytes(began)
    digest = project.change_rules()
    command = ["flink", "activate", ".", "--kafka", project.source, "--to", project.to]
    command += ["--control", project.control]
    for _ in range(2):
        assert execute(command) == 2
        assert project.activations() == []
    project.approve(digest)
    assert execute(command) == 0
    assert project.activations() == [digest]
    assert ("rules.activated", digest, "done") in project.acts()


def run(project, record=lambda _: None):
    """Begin, or go on, until the cluster is to be started: with no Flink it ends there."""
    with (
        pytest.raises(StoreError, match="JobManager"),
        flink.flink_running(
            project.folder,
            project.ends,
            project.definitions(),
            workers=1,
            shards=2,
            checkpoint_ms=500,
            author="user:mira",
            record=record,
        ),
    ):
        pass  # pragma: no cover


@pytest.mark.usefixtures("no_flink")
def test_a_job_goes_on_by_rules_of_one_person_only_once_another_approved_them(project):
    told = []
    run(project, told.append)
    state = project.folder / FOLDER_NAME / "savepoints/savepoint-1"
    state.mkdir(parents=True)
    (state / "_metadata").touch()
    digest = project.change_rules()
    with pytest.raises(ApprovalError, match=f"ringfence rules approve {digest}"):
        run(project)
    assert project.activations() == []
    project.approve(digest)
    run(project, told.append)
    assert project.activations() == [digest]
    assert [list(one.values()) for one in told][1:] == [[digest]]
    assert len(told[0]) == 1


@pytest.mark.usefixtures("no_flink")
def test_a_job_begins_by_rules_that_nobody_else_saw_where_the_book_is_empty_only(project):
    run(project)
    (project.folder / FOLDER_NAME / "plan").unlink()
    project.change_rules()
    with pytest.raises(ApprovalError, match="somebody else"):
        run(project)
    with open_store(project.folder / "data", read_only=True) as store:
        assert [one.approved for one in store.rule_history.changes()] == [True, None]


@pytest.mark.usefixtures("no_flink")
def test_a_run_is_on_record_with_the_rules_before_it_is_over(project):
    command = ["flink", "run", ".", "--kafka", project.source, "--to", project.to]
    assert execute([*command, "--control", project.control]) != 0
    digest = project.definitions().rules.ruleset.digest
    assert project.acts() == [("job.started", "flink", "done"), ("rules.activated", digest, "done")]


def test_a_model_waits_for_a_second_person_and_its_approval_counts_once(project, monkeypatch):
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["models"]')
    packed(project.definitions(), project.ends.partitions(), 2)  # which makes the data folder
    rules = project.definitions().rules.ruleset

    def put():
        with approved({Part.MODELS: "0123abcd"}, rules, rules, "user:mira"):
            pass

    with pytest.raises(AwaitingApprovalError) as refused:
        put()
    desk = open_approvals(project.folder / "data")
    with closing(desk.book):
        desk.decide(refused.value.request.id, Who("user:vera", now_ms()), approve=True)
    put()
    with pytest.raises(AwaitingApprovalError):
        put()
