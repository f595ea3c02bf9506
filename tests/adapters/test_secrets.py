"""Secrets that are exchanged while whoever uses them runs: nobody is restarted, and nothing shows them."""

import json
import time
import uuid
from contextlib import closing
from pathlib import Path
from threading import Thread

import boto3
import jwt
import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from slack_sdk.signature import SignatureVerifier
from tests.adapters.aws import emulator
from tests.bus.receivers import Receiver, on_a_free_port
from tests.bus.test_notifiers_on_aws import message
from tests.postgres import server
from tests.waiting import until

from ringfence.access.jwks import STALE_SECONDS
from ringfence.access.principal import Role
from ringfence.access.tokens import Tokens, TokenSettings
from ringfence.adapters.access.keys import ApiKeys
from ringfence.adapters.notifiers.mail import MailNotifier
from ringfence.adapters.notifiers.slack import SlackNotifier
from ringfence.adapters.notifiers.slack_actions import SlackActions
from ringfence.adapters.relational.problems import target_of
from ringfence.adapters.relational.store import connect
from ringfence.adapters.secrets import EnvironmentSecrets, FileSecrets, SecretsManager, secret_of
from ringfence.api.serving import authoriser_of
from ringfence.api.settings import ServeSettings
from ringfence.bus.notifier import AttemptEnd
from ringfence.compose.secrets import with_store_password
from ringfence.errors import InputError, StoreError
from ringfence.ports.secrets import KEPT_SECONDS, LEAST_SECONDS, FixedSecret, KeptSecret
from ringfence.settings import load_settings
from ringfence.testing.exams.secrets import FIRST, SecretsExam

OLD, NEW = "the old secret, which has to be long enough", "the new secret, which has to be long enough"


class Seconds:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{OLD}\n")
    return path


class TestPlaces:
    """The embedded ones, and Secrets Manager against an emulator."""

    def test_the_environment(self, monkeypatch):
        monkeypatch.setenv("SOME_TOKEN", OLD)
        assert secret_of("secret://env/SOME_TOKEN").value() == OLD
        with pytest.raises(StoreError, match="secret://env/NO_SUCH_TOKEN"):
            EnvironmentSecrets().read("NO_SUCH_TOKEN")

    def test_a_file(self, file, tmp_path):
        assert secret_of(f"secret://file{file}").value() == OLD
        file.write_bytes(b"\n")
        (tmp_path / "bytes").write_bytes(b"\xff\xfe")
        (tmp_path / "long").write_bytes(b"x" * 70_000)
        for name, told in {"secret": "empty", "bytes": "no text", "long": "too long", "none": "read"}.items():
            with pytest.raises(StoreError, match=told):
                FileSecrets().read(str(tmp_path / name))

    def test_secrets_manager(self, monkeypatch):
        emulator.environment(monkeypatch)
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="fraud/slack", SecretString=OLD)["ARN"]
        client.create_secret(Name="fraud/db", SecretString=json.dumps({"password": OLD, "port": 5432}))
        client.create_secret(Name="fraud/bytes", SecretBinary=b"x")
        assert secret_of("secret://aws/fraud/slack").value() == OLD
        assert secret_of(f"secret://aws/{arn}").value() == OLD
        assert secret_of("secret://aws/fraud/db#password").value() == OLD
        for name, told in {
            "fraud/none": "ResourceNotFoundException.*name and region",
            "fraud/slack#token": "no JSON object",
            "fraud/db#user": "no such key",
            "fraud/bytes": "bytes and no text",
        }.items():
            with pytest.raises(StoreError, match=told) as raised:
                secret_of(f"secret://aws/{name}").value()
            assert OLD not in str(raised.value)

    @pytest.mark.parametrize(
        "wrong", ["secret://", "secret://vault/x", "secret://env/", "secret://aws", "secret://aws/#key"]
    )
    def test_what_names_no_place_is_refused_without_repeating_it(self, wrong, monkeypatch):
        with pytest.raises(InputError, match=r"secret://env/NAME") as raised:
            secret_of(wrong)
        assert "vault" not in str(raised.value)
        monkeypatch.setenv("RINGFENCE_SMTP_PASSWORD", wrong)
        with pytest.raises(InputError, match=r"smtp_password.*secret://env/NAME") as raised:
            load_settings()
        assert "vault" not in str(raised.value)

    def test_any_other_text_is_the_secret_itself(self):
        assert secret_of(OLD).value() == OLD
        assert secret_of(OLD).renewed(OLD) is None
        assert OLD not in repr(FixedSecret(OLD))


class EnvironmentPlace:
    cannot_damage = "a variable that is there can be read"

    def __init__(self, patch):
        self.patch = patch

    def secrets(self):
        return EnvironmentSecrets()

    def name_of(self, number):
        return f"EXAMINED_TOKEN_{number}"

    def put(self, name, value):
        self.patch.setenv(name, value)


class FilePlace:
    cannot_damage = None

    def __init__(self, folder):
        self.folder = folder

    def secrets(self):
        return FileSecrets()

    def name_of(self, number):
        return str(self.folder / f"secret-{number}")

    def put(self, name, value):
        Path(name).write_text(f"{value}\n", "utf-8")

    def damage(self, name):
        Path(name).write_bytes(FIRST.encode() + b"\xff")


class ManagerPlace:
    cannot_damage = None

    def __init__(self):
        self.client = boto3.client("secretsmanager")
        self.own = uuid.uuid4().hex

    def secrets(self):
        return SecretsManager(lambda: self.client)

    def name_of(self, number):
        return f"{self.own}/secret-{number}"

    def put(self, name, value):
        try:
            self.client.create_secret(Name=name, SecretString=value)
        except self.client.exceptions.ResourceExistsException:
            self.client.put_secret_value(SecretId=name, SecretString=value)

    def damage(self, name):
        self.client.put_secret_value(SecretId=name, SecretBinary=FIRST.encode())


class TestEnvironmentSecrets(SecretsExam):
    @pytest.fixture
    def place(self, monkeypatch):
        return EnvironmentPlace(monkeypatch)


class TestFileSecrets(SecretsExam):
    @pytest.fixture
    def place(self, tmp_path):
        return FilePlace(tmp_path)


class TestSecretsManager(SecretsExam):
    """Against an emulator."""

    @pytest.fixture
    def place(self, monkeypatch):
        emulator.environment(monkeypatch)
        return ManagerPlace()


class TestKept:
    """When a value is looked at again."""

    def test_it_is_kept_for_a_while_and_looked_at_once_it_is_refused(self, file, clock):
        secret = KeptSecret(FileSecrets(), str(file), clock)
        assert secret.value() == OLD
        file.write_text(NEW)
        assert secret.value() == OLD
        assert secret.renewed(OLD) is None  # it was looked at just now
        clock.now += LEAST_SECONDS
        assert (secret.renewed(OLD), secret.value(), secret.changes) == (NEW, NEW, 1)
        assert secret.renewed(OLD) == NEW  # another thread, which was refused with the old one as well
        file.write_text(OLD)
        clock.now += KEPT_SECONDS
        assert (secret.value(), secret.changes) == (OLD, 2)

    def test_a_place_that_is_gone_leaves_the_value_and_one_that_never_was_is_an_error(
        self, file, clock, caplog
    ):
        secret = KeptSecret(FileSecrets(), str(file), clock)
        assert secret.value() == OLD
        file.unlink()
        clock.now += KEPT_SECONDS
        assert secret.value() == OLD
        assert "stays as it was" in caplog.text
        assert OLD not in caplog.text + repr(secret)
        fresh = KeptSecret(FileSecrets(), str(file), clock)
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be read"):
                fresh.value()

    def test_nobody_gets_an_empty_value_while_the_first_look_lasts(self, clock):
        others = []

        class Slow:
            def read(self, _name):
                others.append(Thread(target=lambda: got.append(secret.value())))
                others[0].start()
                others[0].join(0.2)  # it waits for this look
                return OLD

        got, secret = [], KeptSecret(Slow(), "slow", clock)
        assert secret.value() == OLD
        others[0].join()
        assert (got, len(others)) == ([OLD], 1)


def lets_in(parts):
    try:
        psycopg.connect(**parts).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def rotated(file, clock):
    """A secret that was read and has been exchanged since."""
    secret = KeptSecret(FileSecrets(), str(file), clock)
    assert secret.value() == OLD
    file.write_text(NEW)
    clock.now += LEAST_SECONDS
    return secret


class TestRotation:
    """Whoever is refused asks again at once."""

    def test_a_key_of_tokens_that_cannot_be_read_any_more_ends(self, file, clock):
        tokens = Tokens(TokenSettings(secret=KeptSecret(FileSecrets(), str(file), clock, STALE_SECONDS)))
        token = jwt.encode({"sub": "till", "exp": time.time() + 60, "roles": ["decide"]}, OLD)
        file.unlink()
        clock.now += STALE_SECONDS
        assert tokens.recognise(token)
        clock.now += 1
        assert tokens.recognise(token) is None
        assert tokens.recognise(jwt.encode({"sub": "till", "exp": time.time() + 60}, NEW)) is None
        file.write_text(OLD)
        clock.now += KEPT_SECONDS
        assert tokens.recognise(token)

    def test_a_server_lets_its_key_of_tokens_end_and_no_other_secret(self, file, tmp_path):
        settings = ServeSettings(token_secret=f"secret://file{file}")
        with closing(authoriser_of(tmp_path, settings)) as authoriser:
            assert authoriser._tokens._secret._stale_seconds == STALE_SECONDS
        assert secret_of(f"secret://file{file}")._stale_seconds > 1e9

    def test_the_key_of_tokens(self, rotated, clock, file):
        tokens = Tokens(TokenSettings(secret=rotated))
        claims = {"sub": "till", "exp": time.time() + 60, "roles": ["decide"]}
        old, new = jwt.encode(claims, OLD), jwt.encode(claims, NEW)
        assert tokens.recognise(old)
        version = tokens.version
        assert tokens.recognise(new)
        assert tokens.version != version  # whoever was recognised by the old key has to be again
        assert tokens.recognise(old) is None
        file.write_text("short")
        clock.now += KEPT_SECONDS
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
            guessed = jwt.encode(claims, "short")
        assert tokens.recognise(guessed) is None

    def test_keys_of_the_api_overlap(self, tmp_path):
        with_both = ApiKeys(tmp_path)
        old = with_both.create("till-2025", frozenset({Role.DECIDE}), 0)
        new = with_both.create("till-2026", frozenset({Role.DECIDE}), 0)
        assert with_both.recognise(old)
        assert with_both.recognise(new)
        with_both.revoke(old.split("_")[1], 1)
        assert with_both.recognise(old) is None
        assert with_both.recognise(new)
        with_both.close()

    def test_the_token_of_slack(self, rotated):
        class Slack(Receiver):
            pass

        with Slack(200) as slack:
            slack.body = b'{"ok": false, "error": "invalid_auth"}'
            notifier = SlackNotifier(rotated, f"http://127.0.0.1:{slack.port}/api/")
            assert notifier.deliver(message("#team")).answer is AttemptEnd.RETRY
            told = [headers["Authorization"] for headers, _ in slack.requests]
            assert told == [f"Bearer {OLD}", f"Bearer {NEW}"]
            slack.body = b'{"ok": true}'
            assert notifier.deliver(message("#team")).answer is AttemptEnd.DELIVERED
            assert slack.requests[-1][0]["Authorization"] == f"Bearer {NEW}"
            assert len(slack.requests) == 3

    def test_the_signing_secret_of_slack(self, rotated):
        body, at = b"payload=%7B%7D", "1700000000"
        signed = SignatureVerifier(NEW).generate_signature(timestamp=at, body=body)
        actions = SlackActions(rotated, "https://hooks.slack.com/", lambda: 1_700_000_000_000)
        assert actions.is_authentic(body, at, signed)
        assert not actions.is_authentic(body, at, signed[:-1])

    def test_the_password_of_the_mail_server(self, rotated):
        asked = []

        def check(_server, _session, _envelope, _mechanism, data: LoginPassword):
            asked.append(data.password.decode())
            return AuthResult(success=data.password.decode() == NEW, handled=False)

        class Server(Controller):
            def factory(self):
                return SMTP(self.handler, authenticator=check, auth_require_tls=False)

        class Box:
            async def handle_DATA(self, *_):  # noqa: N802 (aiosmtpd's)
                return "250 taken"

        controller = on_a_free_port(lambda port: Server(Box(), "127.0.0.1", port))
        try:
            notifier = MailNotifier(f"smtp://bank@127.0.0.1:{controller.port}", "fraud@bank.example", rotated)
            outcome = notifier.deliver(message("team@bank.example"))
        finally:
            controller.stop()
        assert outcome.answer is AttemptEnd.DELIVERED, outcome
        assert asked[-1] == NEW
        assert OLD in asked

    def test_a_command_asks_for_the_password_of_the_database_when_it_runs(self, file, monkeypatch):
        monkeypatch.setenv("RINGFENCE_STORE_PASSWORD", f"secret://file{file}")
        address = with_store_password("postgresql://bank@db.example/fraud")
        assert psycopg.conninfo.conninfo_to_dict(address)["password"] == OLD
        assert target_of(address) == "bank@db.example/fraud"
        monkeypatch.setenv("RINGFENCE_STORE_PASSWORD", OLD)
        assert OLD not in repr(load_settings())

    def test_the_password_of_the_database(self, rotated):
        admin = server().get_uri()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS rotating")
            connection.execute(f"CREATE ROLE rotating LOGIN PASSWORD '{NEW}'")
            rules = Path(connection.execute("SHOW hba_file").fetchone()[0])
            asking = "local all rotating scram-sha-256\nhost all rotating all scram-sha-256\n"
            rules.write_text(asking + rules.read_text())  # otherwise this server asks nobody of this machine
            connection.execute("SELECT pg_reload_conf()")
        parts = psycopg.conninfo.conninfo_to_dict(admin) | {"user": "rotating"}
        parts.pop("password", None)
        until(lambda: not lets_in(parts | {"password": "wrong"}))
        with connect(psycopg.conninfo.make_conninfo(**parts), rotated) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("rotating",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(psycopg.conninfo.make_conninfo(**parts), FixedSecret(OLD))
