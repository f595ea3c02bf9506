"""`ringfence doctor` asks what is configured to answer elsewhere, and looks at the models that are kept."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from tests.artifacts import make

from ringfence.cli.setup.checks import State, machine

SAMPLE = Path(__file__).parents[2] / "examples" / "sample-model"
RINGFENCE = Path(sys.executable).with_name("ringfence")


@contextmanager
def answering(body, status=200, date=None):
    """A server with one answer to everything."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response_only(status)
            self.send_header("date", date or formatdate(usegmt=True))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_port}/keys"
        finally:
            found.shutdown()
            thread.join()


@pytest.fixture
def free():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


@pytest.fixture
def sick(ringfence, free):
    """The findings of doctor that are not fine, and its exit code."""

    def found():
        ended = ringfence("doctor", "--json", "--port", free)
        return {c["part"]: c for c in ended.json if c["state"] != "ok"}, ended.code

    return found


KEY_SETS = [
    (b'{"keys": [{"kty": "RSA"}]}', 200, None),
    (b'{"keys": []}', 200, "No token can be valid"),
    (b"<html>sign in</html>", 200, "jwks_uri"),
    (b"", 404, "address"),
]


@pytest.mark.parametrize(("body", "status", "remedy"), KEY_SETS)
def test_a_key_set_has_to_be_there_and_have_keys(sick, monkeypatch, body, status, remedy):
    with answering(body, status) as url:
        monkeypatch.setenv("RINGFENCE_SERVE_TOKEN_JWKS", url)
        found, code = sick()
    if remedy is None:
        assert ("keys of tokens" not in found, code) == (True, 0)
    else:
        assert (remedy in found["keys of tokens"]["remedy"], code) == (True, 1)


def test_a_key_set_may_be_a_file(sick, monkeypatch, project):
    monkeypatch.setenv("RINGFENCE_SERVE_TOKEN_JWKS", str(project / "keys.json"))
    assert "cannot be read" in sick()[0]["keys of tokens"]["said"]
    (project / "keys.json").write_text('{"keys": [{"kty": "EC"}]}')
    assert "keys of tokens" not in sick()[0]


def test_a_clock_far_from_that_of_a_server_is_a_note(sick, monkeypatch):
    with answering(b'{"keys": [{}]}', date=formatdate(time.time() - 3600, usegmt=True)) as url:
        monkeypatch.setenv("RINGFENCE_SERVE_TOKEN_JWKS", url)
        found, code = sick()
    assert (found["clock"]["state"], code) == ("note", 0)
    assert "ahead of" in found["clock"]["said"]


@pytest.fixture
def deciding(ringfence, payments):
    """A store with the sample model in force; its version."""
    ringfence("run", payments)
    version = ringfence("models", "import", str(SAMPLE)).out.strip()
    assert ringfence("models", "promote", version).code == 0
    return version


def test_a_model_in_force_that_lacks_its_features_is_bad(ringfence, sick, payments, project):
    ringfence("run", payments)
    deciding = make(project / "made")
    ringfence("models", "import", "made")
    assert ringfence("models", "promote", deciding).code == 0
    assert not {part for part in sick()[0] if part.startswith("model")}
    (project / "features.py").write_text(
        "import ringfence as rf\nspec = rf.FeatureSpec.of(rf.entity('card').count('1h'))\n"
    )
    (project / "ringfence.toml").write_text('features = "features.py"\n')
    found, code = sick()
    assert (found[f"model {deciding}"]["state"], code) == ("BAD", 1)
    assert "features in use lack" in found[f"model {deciding}"]["said"]


def test_a_damaged_model_in_force_is_bad(sick, deciding, project):
    for path in (project / "ringfence-data" / "models").rglob("forest.npz"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-100])
    found, code = sick()
    assert (found[f"model {deciding}"]["state"], code) == ("BAD", 1)


def test_a_remote_model_is_asked_and_its_absence_told(ringfence, sick, deciding, free):
    url = f"http://127.0.0.1:{free}"
    remote = ringfence(
        "models", "remote", f"{url}/invocations", "--serves", deciding, "--deadline-ms", "60000"
    )
    version = remote.out.strip()
    found, code = sick()
    assert (found[f"model {version}"]["state"], code) == ("note", 0)  # nothing depends on it yet
    ringfence("models", "promote", version)
    words = ("model", "serve", str(SAMPLE), "--port", free)
    with subprocess.Popen([RINGFENCE, *words], stderr=subprocess.DEVNULL) as serving:
        try:
            wait_for(f"{url}/ping")
            told = {c["part"]: c for c in ringfence("doctor", "--json", "--port", "0").json}
        finally:
            serving.terminate()
    assert told[f"model {version}"]["state"] == "ok"
    assert "ms allowed" in told[f"model {version}"]["said"]
    found, code = sick()
    assert (found[f"model {version}"]["state"], code) == ("BAD", 1)
    assert "ringfence model serve" in found[f"model {version}"]["remedy"]


def wait_for(url):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx.get(url)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(url)


def test_too_little_room_for_what_a_day_adds_is_told(tmp_path):
    states = [next(machine.room(tmp_path, each)).state for each in (1.0, 1e18)]
    assert states == [State.FINE, State.BAD]
    assert list(machine.room(tmp_path, 0.0)) == []
