"""S3 as a place: who signs, where it is asked, and files that are larger than what may be in memory."""

import hashlib
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import pytest
from tests.adapters.aws import emulator

from ringfence.adapters.landing import open_place
from ringfence.adapters.s3.place import S3Place


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """The emulator with a bucket `zone`, and no files of a user's own."""
    emulator.environment(monkeypatch)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "config"))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3")
    if "zone" not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket="zone", CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    return client


@pytest.fixture
def witness():
    """Answers as the portal of IAM Identity Center, and as an S3 without the object; keeps who signed."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.signed.append(self.headers.get("authorization", ""))
            told = {
                "accessKeyId": "ASIASSO",
                "secretAccessKey": "s",
                "sessionToken": "t",
                "expiration": 4_102_444_800_000,
            }
            is_portal = self.path.startswith("/federation/credentials")
            body = (
                json.dumps({"roleCredentials": told}).encode()
                if is_portal
                else b"<Error><Code>NoSuchKey</Code></Error>"
            )
            self.send_response(self.server.portal if is_portal else 404)
            if self.server.portal == 401:
                self.send_header("x-amzn-errortype", "UnauthorizedException")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.signed, server.portal = [], 200
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def signed_in_by_sso(aws, monkeypatch, tmp_path, witness):
    """As `aws sso login` leaves it: a profile, and a token in a cache, that is good until `expires`."""
    url = f"http://127.0.0.1:{witness.server_port}"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "bank")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SSO"):
        monkeypatch.setenv(name, url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        "[profile bank]\nsso_session = bank\nsso_account_id = 123456789012\nsso_role_name = fraud\n"
        "[sso-session bank]\nsso_start_url = https://bank.awsapps.com/start\nsso_region = eu-central-1\n"
    )
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)

    def until(expires):
        told = {"accessToken": "token", "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
        (cache / f"{hashlib.sha1(b'bank', usedforsecurity=False).hexdigest()}.json").write_text(
            json.dumps(told)
        )

    until(datetime.now(UTC) + timedelta(hours=8))
    return until


READ = "from ringfence.adapters.landing import open_place; print(open_place('s3://zone/lake').read('x'))"


def read_by_a_new_process():
    """What it prints; boto3 looks for the cache where the home is as it starts."""
    ended = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr.strip().rpartition("\n")[2]


def test_who_signed_in_by_sso_is_signed_in_for_the_landing_zone(signed_in_by_sso, witness):
    assert read_by_a_new_process() == "None\n"
    assert "Credential=ASIASSO/" in witness.signed[-1]


def test_a_sign_in_that_has_ended_is_said_with_what_to_do(signed_in_by_sso, witness):
    signed_in_by_sso(datetime.now(UTC) - timedelta(hours=1))
    wanted = (
        r"the landing zone s3://zone/lake: AWS's credentials cannot be had .*sign in again \(aws sso login\)"
    )
    assert re.search(wanted, read_by_a_new_process())
    signed_in_by_sso(datetime.now(UTC) + timedelta(hours=8))
    witness.portal = 401
    assert re.search(wanted, read_by_a_new_process())
    assert not any("Credential" in one for one in witness.signed)


def test_a_program_that_gives_credentials_is_asked(aws, monkeypatch, tmp_path, witness):
    """`credential_process`, as of a bank's own tool: another link of the same chain."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    told = json.dumps({"Version": 1, "AccessKeyId": "ASIATOOL", "SecretAccessKey": "s"})
    (tmp_path / "told").write_text(told)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path / 'told'}\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{witness.server_port}")
    assert open_place("s3://zone/lake").read("x") is None
    assert "Credential=ASIATOOL/" in witness.signed[-1]


def test_an_endpoint_of_s3_alone_is_asked_without_tls_too(aws, monkeypatch):
    """`AWS_ENDPOINT_URL_S3=http://…`, as for a MinIO within one's own network."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", emulator.address())
    place = open_place("s3://zone/alone")
    assert place.create("a", b"1")
    assert (place.read("a"), place.names("")) == (b"1", ["a"])


def test_an_endpoint_of_s3_in_the_configuration_file_is_asked(aws, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    (tmp_path / "config").write_text(
        f"[default]\nservices = local\n[services local]\ns3 =\n  endpoint_url = {emulator.address()}\n"
    )
    assert open_place("s3://zone/configured").create("a", b"1")


PUT = """
import sys
from pathlib import Path
from ringfence.adapters.s3.place import S3Place
place = S3Place("s3://zone/files")
most = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
place.put_file("warm", Path(sys.argv[0]), lambda _: None)
before = most()
print(place.put_file("large", Path(sys.argv[1]), lambda _: None)[0], most() - before)
"""


def test_a_file_travels_in_parts_of_which_few_are_in_memory(aws, tmp_path):
    """128 MiB from a process of its own, in which all of it would be seen."""
    path, heard, script = tmp_path / "large", [], tmp_path / "put.py"
    script.write_text(PUT)
    with path.open("wb") as file:
        for number in range(128):
            file.write(bytes([number]) * (1 << 20))
    told = subprocess.run([sys.executable, script, path], capture_output=True, text=True, check=True).stdout
    size, grown_kib = map(int, told.split())
    assert size == 128 << 20
    assert grown_kib < 96 << 10, grown_kib
    assert aws.head_object(Bucket="zone", Key="files/large")["ETag"].strip('"').endswith("-16")  # its parts
    place = S3Place("s3://zone/files")
    with path.open("rb") as file:
        for piece in place.pieces("large", size):
            assert len(piece) <= 8 << 20
            assert piece == file.read(len(piece))
        assert file.read() == b""
    for content in (b"small", b""):
        path.write_bytes(content)
        assert place.put_file(f"of-{len(content)}", path, heard.append)[0] == len(content)
    assert sum(heard) == 5
    assert place.sizes("") | {"warm": 0} == {"large": size, "of-0": 0, "of-5": 5, "warm": 0}
    place.remove(place.names(""))


def test_what_is_put_is_encrypted_by_the_key_that_is_named(aws, monkeypatch):
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms")
    monkeypatch.setenv("AWS_SSE_KMS_KEY_ID", key)
    assert open_place("s3://zone/kept").create("named", b"bytes")
    found = aws.head_object(Bucket="zone", Key="kept/named")
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
