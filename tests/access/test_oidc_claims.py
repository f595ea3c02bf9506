"""What an OpenID provider says of people, and how often it is asked: a small provider that says anything."""

import asyncio
import json
import threading
import time
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.access.test_oidc import Door

from ringfence.access.oidc import FAILED_SECONDS, OpenIdProvider, SignInError
from ringfence.adapters.secrets import FileSecrets
from ringfence.api.settings import ServeSettings
from ringfence.errors import InputError
from ringfence.ports.secrets import LEAST_SECONDS, KeptSecret

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k", "use": "sig"}
HIDES = ["field=email"]


class Provider(ThreadingHTTPServer):
    """Answers as told: `claims` of the ID token, `info` of the user; None is an answer that is none."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.at = f"http://127.0.0.1:{self.server_port}"
        self.claims, self.info, self.secret, self.nonce = {}, None, "of ringfence", ""
        self.asked, self.is_well, self.hold = [], True, threading.Event()
        self.hold.set()

    def answer(self, path, headers):
        if path.endswith("openid-configuration"):
            ends = {"authorization": "/a", "token": "/t", "userinfo": "/u"}
            told = {f"{name}_endpoint": self.at + end for name, end in ends.items()}
            return told | {"issuer": self.at, "jwks_uri": f"{self.at}/k"} if self.is_well else None
        if path == "/k":
            return {"keys": [PUBLIC]}
        if path == "/u":
            return self.info if headers["authorization"] == "Bearer access" else None
        _, _, secret = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
        now = int(time.time())
        told = {"iss": self.at, "aud": "ringfence", "sub": "ada", "iat": now, "exp": now + 60}
        token = jwt.encode(told | {"nonce": self.nonce} | self.claims, KEY, "ES256", {"kid": "k"})
        known = secret == self.secret.replace(" ", "+")
        return {"id_token": token, "access_token": "access"} if known else None


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.hold.wait(60)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        told = self.server.answer(self.path, self.headers)
        body = json.dumps(told).encode()
        self.send_response(200 if told is not None else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 (the library's name)

    def log_message(self, *_):
        pass


@contextmanager
def running():
    with Provider() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.hold.set()
        found.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shared():
    with running() as found:
        yield found


def client(provider, secret="of ringfence", **more):
    given = {
        "oidc_issuer": provider.at,
        "oidc_client_id": "ringfence",
        "oidc_client_secret": secret,
        "oidc_redirect": "http://localhost/sign-in/callback",
        "oidc_roles": ("desk=analyst",),
    }
    return OpenIdProvider.of(ServeSettings(**given | more).provider())


def back(provider, ours):
    """Somebody who goes to the provider and comes back."""
    asked = parse_qs(urlsplit(ours.begin("browser", "/home")).query)
    provider.nonce = asked["nonce"][0]
    return ours.finish(asked["state"][0], "code", "browser")[0].caller


@pytest.mark.parametrize(
    ("claims", "info", "wanted"),
    [
        ({"groups": ["desk"]}, {"sub": "ada", "restrict": HIDES}, (["analyst"], "field=email")),
        ({"groups": ["desk"], "restrict": HIDES}, None, (["analyst"], "field=email")),
        ({"groups": "desk"}, {"sub": "ada"}, (["analyst"], "")),
        ({"restrict": HIDES}, {"sub": "ada", "groups": ["desk", 7]}, (["analyst"], "field=email")),
        (
            {"groups": ["desk"], "restrict": HIDES},
            {"sub": "ada", "restrict": []},
            (["analyst"], "field=email"),
        ),
        ({"groups": ["desk"]}, {"sub": "eve", "restrict": []}, "somebody else"),
        ({"groups": ["desk"]}, None, "cannot be asked"),
        ({"groups": ["desk"]}, {"sub": "ada", "restrict": 7}, "restricts you"),
        ({"groups": 7, "restrict": []}, None, "neither a text nor a list"),
        ({"groups": {"desk": 1}, "restrict": []}, None, "neither a text nor a list"),
        ({"restrict": []}, {"sub": "ada", "groups": True}, "neither a text nor a list"),
    ],
)
def test_whatever_the_provider_says_nobody_gets_in_less_restricted_than_meant(shared, claims, info, wanted):
    shared.claims, shared.info = claims, info
    ours = client(shared)
    if isinstance(wanted, str):
        with pytest.raises(SignInError, match=wanted):
            back(shared, ours)
    else:
        caller = back(shared, ours)
        assert (sorted(caller.roles), caller.restriction.text()) == wanted


def test_the_secret_for_the_provider_is_looked_up_and_again_once_it_is_refused(shared, tmp_path, monkeypatch):
    shared.claims, shared.info = {"groups": "desk", "restrict": []}, None
    file, now = tmp_path / "secret", [0.0]
    file.write_text("of ringfence")
    ours = client(shared, f"secret://file{file}")
    assert back(shared, ours).roles
    rotated = KeptSecret(FileSecrets(), str(file), lambda: now[0])
    ours = OpenIdProvider(replace(ours.settings, secret=rotated))
    assert back(shared, ours).roles
    file.write_text("another")
    monkeypatch.setattr(shared, "secret", "another")
    now[0] += LEAST_SECONDS
    assert back(shared, ours).roles
    with pytest.raises(SignInError, match="cannot read its secret"):
        back(shared, client(shared, f"secret://file{tmp_path}/none"))
    with pytest.raises(InputError, match="secret://env"):
        client(shared, "secret://nowhere/x")


def test_a_provider_that_fails_is_asked_once_by_many_and_not_again_for_a_while():
    now = [0.0]
    with running() as provider:
        provider.is_well = False
        provider.hold.clear()
        ours = OpenIdProvider(client(provider).settings, lambda: now[0])
        with ThreadPoolExecutor(8) as threads:
            begun = [threads.submit(ours.begin, "browser", "/") for _ in range(8)]
            while not provider.asked:
                time.sleep(0.01)
            provider.hold.set()
            problems = {str(one.exception()) for one in begun}
        assert [len(provider.asked), len(problems)] == [1, 1]
        provider.is_well = True
        with pytest.raises(SignInError):
            ours.begin("browser", "/")
        now[0] = FAILED_SECONDS
        assert ours.begin("browser", "/").startswith(provider.at)
        assert provider.asked[1:] == ["/.well-known/openid-configuration", "/k"]


def test_anybody_who_wants_to_sign_in_holds_up_only_others_who_do(tmp_path):
    async def talk(http, server):
        provider.hold.clear()
        asked = [asyncio.ensure_future(http.get("/sign-in/provider")) for _ in range(20)]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        provider.hold.set()
        return [one.result() for one in done], [one.status_code for one in await asyncio.gather(*waiting)]

    with running() as provider:
        refused, others = Door(tmp_path, provider.at)(talk)
    assert {one.status_code for one in refused} == {503}
    assert "Too many requests for sign-in" in refused[0].text
    assert set(others) <= {303, 503}
    assert others.count(303) == 16
