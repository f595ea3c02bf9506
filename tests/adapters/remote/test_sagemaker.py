"""A SageMaker endpoint: each call is signed for its body, and checked here by a signature of our own."""

import hashlib
import hmac
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import msgspec
import numpy as np
import pytest
from tests import artifacts

from ringfence.adapters.artifacts import read_folder
from ringfence.adapters.remote import RemoteModel
from ringfence.errors import ScorerError
from ringfence.testing.exams.scorer import ScorerExam

SECRET = "wJalrXUtnFEMI"


def signature(handler, body):
    """What AWS would compute (docs.aws.amazon.com, Signature Version 4), from the standard library alone."""
    told = handler.headers["authorization"]
    parts = dict(part.split("=", 1) for part in told.removeprefix("AWS4-HMAC-SHA256 ").split(", "))
    names = parts["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{handler.headers[name].strip()}\n" for name in names)
    payload = hashlib.sha256(body).hexdigest()
    canonical = "\n".join(["POST", handler.path, "", headers, parts["SignedHeaders"], payload])
    _, date, region, service, _ = parts["Credential"].split("/")
    scope = f"{date}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{handler.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for step in (date, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    assert (region, service) == ("eu-central-1", "sagemaker")
    return parts["Signature"], hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class SageMaker(BaseHTTPRequestHandler):
    """Answers whoever signs rightly, unless it is told to be slow, throttled or broken."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        assert self.server.may_answer.wait(60)
        self.server.variant = self.headers.get("x-amzn-sagemaker-target-variant")
        self.server.signed = self.headers["authorization"]
        given, right = signature(self, body)
        asked = msgspec.json.decode(body)
        scores = [float(np.tanh(np.nansum(np.array(row, float))) / 2 + 0.5) for row in asked["rows"]]
        answer = msgspec.json.encode({"model": self.server.model, "probabilities": scores})
        status = self.server.status if given == right else 403
        answer = answer[: len(answer) // 2] if self.server.half else answer
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def answering():
    """An endpoint that serves `model`."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), SageMaker)
    found.daemon_threads = True
    found.status, found.half, found.asked, found.model = 200, False, 0, "there"
    found.may_answer = Event()
    found.may_answer.set()
    Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def server():
    with answering() as found:
        yield found


@pytest.fixture
def signed_in(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def model(server, folder, **more):
    artifacts.make(folder)
    url = f"http://127.0.0.1:{server.server_port}/endpoints/cards/invocations"
    parameters = {
        "url": url,
        "deadline_ms": 20_000,
        "tries": 1,
        "region": "eu-central-1",
        "most_failures": 100,
        **more,
    }
    manifest = msgspec.structs.replace(
        read_folder(folder).manifest, algorithm="remote", parameters=parameters, files={}
    )
    return RemoteModel(manifest, "0123456789abcdef", key="never sent")


class TestSageMaker(ScorerExam):
    @pytest.fixture
    def scorer(self, server, signed_in, tmp_path):  # noqa: ARG002 (has to come first)
        made = model(server, tmp_path / "m")
        yield made
        made.close()


@pytest.mark.parametrize(
    ("status", "half", "why"),
    [
        (429, False, "429"),
        (503, False, "503"),
        (424, False, "424"),
        (200, True, "does not answer as a model service does"),
    ],
)
def test_throttled_broken_or_half_an_answer_is_no_score_and_asked_once(
    server, signed_in, tmp_path, status, half, why
):
    server.status, server.half = status, half
    made = model(server, tmp_path / "m")
    with pytest.raises(ScorerError, match=why):
        made.score(np.zeros((2, len(made.inputs))))
    assert server.asked == 1
    made.close()


def test_a_slow_endpoint_is_left_at_the_deadline_and_asked_once(server, signed_in, tmp_path):
    made = model(server, tmp_path / "m", deadline_ms=200)
    server.may_answer.clear()  # who keeps no deadline waits for more than a minute
    with pytest.raises(ScorerError, match=r"too late|did not answer"):
        made.score(np.zeros((1, len(made.inputs))))
    server.may_answer.set()
    assert server.asked <= 1
    made.close()


def test_a_wrong_secret_is_refused(server, signed_in, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    made = model(server, tmp_path / "m")
    with pytest.raises(ScorerError, match="403"):
        made.score(np.zeros((1, len(made.inputs))))
    made.close()


def test_nobody_signed_in_is_said_before_anything_is_asked(server, signed_in, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ScorerError, match="no credentials"):
        model(server, tmp_path / "m")


def test_the_variant_that_is_named_is_asked_and_signed_for_and_part_of_the_models_name(
    server, signed_in, tmp_path
):
    blue = model(server, tmp_path / "m", variant="blue")
    blue.score(np.zeros((1, len(blue.inputs))))
    assert server.variant == "blue"
    assert "x-amzn-sagemaker-target-variant" in server.signed
    assert blue.manifest.to_json() != model(server, tmp_path / "n").manifest.to_json()  # its digest, likewise
    blue.close()
    with pytest.raises(ScorerError, match="only an endpoint of SageMaker"):
        model(server, tmp_path / "o", variant="blue", region="")
