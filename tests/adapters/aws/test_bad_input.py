"""What somebody has set up wrongly on AWS, for each part: one message with its remedy, and nothing is done.

Real clients ask an emulator, and a proxy before it that answers as AWS does where the emulator is too kind.
"""

import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from tests.adapters.aws import emulator
from tests.adapters.aws.parts import ACCOUNT, FORM, JSON, MODEL, PARTS, S3, proxy, refused
from tests.follow.test_members import StorePlace

from ringfence.adapters.landing import open_place
from ringfence.adapters.sqlite import Store
from ringfence.errors import RingfenceError

ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/ringfence/1"
ALL = pytest.mark.parametrize("name", PARTS)


@pytest.fixture(autouse=True)
def aws(monkeypatch, tmp_path):
    emulator.environment(monkeypatch)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy().url)
    proxy().fault = None
    proxy().asked.clear()
    return proxy()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A log with some decisions, for what follows it."""
    with Store.open(tmp_path_factory.mktemp("log")) as opened:
        StorePlace(opened, None).fill(3)
        yield opened


@pytest.fixture
def role():
    """The address at which EC2 gives credentials of the machine's role to whoever asks."""
    answers = {
        "/latest/api/token": b"token",
        "/latest/meta-data/iam/security-credentials/": b"ringfence",
        "/latest/meta-data/iam/security-credentials/ringfence": json.dumps(
            {"Code": "Success", "AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T"}
            | {"Expiration": "2100-01-01T00:00:00Z"}
        ).encode(),
    }

    class Metadata(BaseHTTPRequestHandler):
        def answer(self):
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b""))

        do_GET = do_PUT = answer  # noqa: N815 (names of the library)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Metadata) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def said(store, tmp_path):
    """What a part says when it is asked; it fails where it says nothing."""

    def of(name):
        with pytest.raises(RingfenceError) as caught:
            PARTS[name].ask(store, tmp_path)
        text = str(caught.value)
        assert "\n" not in text
        assert len(text) < 1_000
        return text

    return of


@ALL
def test_a_missing_permission_is_named_with_action_and_resource(aws, said, name):
    part = PARTS[name]
    told = f"User: {ROLE} is not authorized to perform: svc:{part.right} on resource: {part.on}"
    code = (
        "AuthorizationError"
        if part.form == FORM
        else "AccessDenied"
        if part.form == S3
        else "AccessDeniedException"
    )
    aws.fault = refused(part.form, code, told, 400 if part.form == JSON else 403)
    text = said(name)
    assert f"svc:{part.right} on resource: {part.on}" in text
    assert "allow " in text
    assert "to the role that runs this" in text
    assert len(aws.asked) == 1  # it is not asked for again and again


@pytest.mark.parametrize("name", [name for name in PARTS if name not in {"text by SNS", "text", "graph"}])
def test_a_resource_that_is_not_there_is_named_with_what_to_do(aws, said, name):
    """Phone numbers are nobody's resource; a cluster has an address of its own."""
    if name == "model":
        aws.fault = refused(MODEL, "", f"Endpoint cards of account {ACCOUNT} not found.")
    assert re.search(PARTS[name].absent, said(name))


@ALL
def test_nobody_signed_in_is_said(monkeypatch, said, name):
    """The same words and the same remedy for all, since one chain finds the credentials of all."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    text = said(name)
    assert "AWS finds no credentials. Give the task a role, or sign in (aws sso login)" in text


@pytest.mark.parametrize("name", [name for name in PARTS if name not in {"topic", "queue", "bus", "model"}])
def test_no_region_is_said(monkeypatch, said, name):
    """An ARN and a model's description name theirs."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if name.startswith("landing"):
        monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "no region is set: set AWS_REGION" in said(name)


def test_an_endpoint_of_another_service_stands_for_no_region_of_the_landing_zone(monkeypatch):
    """Where its own endpoint is named, as for an emulator, S3 needs no region."""
    for variable in ("AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy().url)
    with pytest.raises(RingfenceError, match="no region is set: set AWS_REGION"):
        open_place("s3://lake/zone")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy().url)
    open_place("s3://lake/zone")


@pytest.mark.parametrize("name", [name for name in PARTS if name not in {"topic", "queue", "bus", "model"}])
def test_what_is_no_region_is_said(monkeypatch, said, name):
    monkeypatch.setenv("AWS_REGION", "eu central")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu central")
    assert "'eu central'" in said(name)


@pytest.mark.parametrize("name", [name for name in PARTS if name != "model" and "landing" not in name])
def test_a_region_in_which_nobody_answers_is_said(monkeypatch, said, name):
    """As of a region whose name is spelled wrongly."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(proxy(), "server_port", 1)
    text = said(name)
    assert "AWS does not answer" in text
    assert "look at the region in it, and at the network" in text


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.form == S3])
@pytest.mark.parametrize(
    "code", ["AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"]
)
def test_a_bucket_of_another_region_is_said_with_which(aws, said, name, code):
    aws.fault = refused(S3, code, "wrong", x_amz_bucket_region="eu-west-1")
    text = said(name)
    assert code in text
    assert "it is in another region: set AWS_REGION=eu-west-1" in text


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.form == JSON])
def test_credentials_that_are_not_those_of_the_region_are_said(aws, said, name):
    aws.fault = refused(JSON, "UnrecognizedClientException", "The security token is invalid.")
    assert "the credentials are not valid in this region" in said(name)


@ALL
@pytest.mark.parametrize("variable", ["ECS_CONTAINER_METADATA_URI_V4", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_an_emulators_endpoint_is_refused_in_a_task_and_in_a_pod(monkeypatch, aws, said, name, variable):
    monkeypatch.setenv(variable, "/x")
    text = said(name)
    assert "as for an emulator" in text
    assert aws.asked == []
    if name != "model":  # its address is its description's own
        assert "AWS_ENDPOINT_URL names an endpoint of its own" in text


@pytest.mark.parametrize(
    "name", ["source", "audit table", "topic", "secret", "landing zone", "landing backup", "bucket source"]
)
def test_an_emulators_endpoint_is_refused_where_the_role_of_a_machine_signs(
    monkeypatch, aws, said, name, role
):
    """On EC2 nothing in the environment says that this is AWS, but nobody has signed in."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", role)
    assert "AWS_ENDPOINT_URL names an endpoint of its own where the machine's role signs in" in said(name)
    assert aws.asked == []


def test_an_emulators_endpoint_in_the_configuration_file_is_refused_in_a_task(
    monkeypatch, aws, said, tmp_path
):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "/x")
    for text in (
        f"[default]\nendpoint_url = {proxy().url}\n",
        f"[default]\nservices = local\n[services local]\nkinesis =\n  endpoint_url = {proxy().url}\n",
    ):
        (tmp_path / "config").write_text(text)
        assert "endpoint_url in AWS's configuration file names" in said("source")
    assert aws.asked == []


def test_an_endpoint_of_s3_alone_is_refused_in_a_task(monkeypatch, aws, said):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy().url)
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "/x")
    assert "AWS_ENDPOINT_URL_S3 names an endpoint" in said("landing zone")
    assert aws.asked == []


@pytest.mark.parametrize("address", ["s3://Lake/zone", "s3://la ke/zone", "s3://lake?x/zone", "s3://l/zone"])
def test_what_is_no_bucket_is_said(address):
    with pytest.raises(RingfenceError, match="is no name of a bucket"):
        open_place(address)
