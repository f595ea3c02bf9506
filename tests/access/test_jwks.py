"""Signing keys: a removed one ends, only the right address is asked, and no set of keys harms the server."""

import json
import threading
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ringfence.access import jwks
from ringfence.access.tokens import Tokens, TokenSettings
from ringfence.errors import InputError

KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("one", "two")}
RSA = rsa.generate_private_key(65537, 2048)
SECRET = "a secret of at least thirty-two bytes"


def entry(name, key=None, **more):
    key = key or KEYS[name]
    kind = jwt.algorithms.RSAAlgorithm if key is RSA else jwt.algorithms.ECAlgorithm
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": name} | more


def signed(name, algorithm="ES256", key=None, kid=None):
    claims = {"sub": name, "exp": 4_000_000_000, "roles": ["analyst"]}
    return jwt.encode(claims, key or KEYS[name], algorithm, headers={"kid": kid or name})


class Place:
    """A file of keys, and a clock."""

    def __init__(self, folder, *entries):
        self.path, self.now = folder / "jwks.json", 0.0
        self.write(*entries)
        self.tokens = Tokens(TokenSettings(jwks=str(self.path)), now=lambda: self.now)

    def write(self, *entries):
        self.path.write_text(json.dumps({"keys": entries}))

    def gets_in(self, token):
        return self.tokens.recognise(token) is not None


def test_a_removed_key_ends_without_anybody_coming_with_an_unknown_one(tmp_path):
    place = Place(tmp_path, entry("one"), entry("two"))
    assert place.gets_in(signed("one"))
    place.write(entry("two"))
    place.now = jwks.AGE_SECONDS + 1
    assert not place.gets_in(signed("one"))
    assert place.gets_in(signed("two"))


def test_a_key_replaced_under_its_own_name_ends_too_and_the_version_tells_of_it(tmp_path):
    place = Place(tmp_path, entry("one"))
    before = place.tokens.version
    place.now = jwks.AGE_SECONDS + 1
    assert place.gets_in(signed("one"))
    assert place.tokens.version == before
    place.write(entry("one", KEYS["two"]))
    place.now *= 2
    assert not place.gets_in(signed("one"))
    assert place.tokens.version == before + 1


def test_a_set_that_cannot_be_read_again_counts_for_an_hour(tmp_path):
    place = Place(tmp_path, entry("one"))
    place.path.unlink()
    place.now = jwks.STALE_SECONDS - 1
    assert place.gets_in(signed("one"))
    place.now = jwks.STALE_SECONDS + 1
    assert not place.gets_in(signed("one"))
    place.write(entry("one"))
    place.now += jwks.AGE_SECONDS + 1
    assert place.gets_in(signed("one"))


@pytest.mark.parametrize(
    "where",
    [
        "http://localhost.evil.example/jwks",
        "http://127.0.0.1.evil.example/jwks",
        "http://localhost@evil.example/jwks",
        "http://127.0.0.1:80@evil.example/jwks",
        "http://evil.example\\@localhost/jwks",
        "http://localhost%2eevil.example/jwks",
        "HTTP://LOCALHOST.EVIL.EXAMPLE/jwks",
        "http://[2001:db8::1]/jwks",
        "http://[::ffff:8.8.8.8]/jwks",
        "http://10.0.0.1/jwks",
        "http://0.0.0.0/jwks",
        "http:///jwks",
        "https://user:word@example.org/jwks",
        "https://",
        "ftp://localhost/jwks",
        "file:///etc/jwks",
    ],
)
def test_an_address_that_only_begins_like_this_machine_is_never_asked(where, monkeypatch):
    monkeypatch.setattr(jwks, "fetch", lambda url, *_: pytest.fail(f"{url} was asked"))
    with pytest.raises(InputError, match="JWKS file or an https URL"):
        Tokens(TokenSettings(jwks=where))


@pytest.mark.parametrize(
    "where",
    [
        "https://example.org/jwks",
        "HTTPS://EXAMPLE.ORG./jwks",
        "http://localhost:8080/jwks",
        "http://LOCALHOST./jwks",
        "http://127.0.0.2/jwks",
        "http://[::1]:8080/jwks",
    ],
)
def test_https_and_this_machine_are_asked(where, monkeypatch):
    monkeypatch.setattr(jwks, "fetch", lambda *_: json.dumps({"keys": [entry("one")]}).encode())
    assert Tokens(TokenSettings(jwks=where)).recognise(signed("one")) is not None


@contextmanager
def serving(status, body, **headers):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in body:
                try:
                    self.wfile.write(piece)
                except OSError:
                    return

        def log_message(self, *_):
            pass

    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks", asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_set_that_is_huge_never_ends_or_lies_elsewhere_is_none(monkeypatch):
    monkeypatch.setattr(jwks, "_PATIENCE_SECONDS", 120.0)  # however busy this machine is
    good = json.dumps({"keys": [entry("one")]}).encode()
    with serving(200, [good]) as (where, _):
        assert Tokens(TokenSettings(jwks=where)).recognise(signed("one")) is not None
    with serving(200, [b" " * 10_000] * 1000) as (where, _), pytest.raises(InputError, match="more than"):
        Tokens(TokenSettings(jwks=where))
    packed = {"content-encoding": "gzip"}
    with serving(200, [good], **packed) as (where, _), pytest.raises(InputError, match="compressed"):
        Tokens(TokenSettings(jwks=where))
    with serving(200, [good]) as (elsewhere, asked), serving(302, [], location=elsewhere) as (where, _):
        with pytest.raises(InputError, match="status 302"):
            Tokens(TokenSettings(jwks=where))
        assert asked == []
    monkeypatch.setattr(jwks, "_PATIENCE_SECONDS", 0.1)
    gave_up = threading.Event()
    drip = (b" " for _ in range(1200) if not gave_up.wait(0.05))
    with serving(200, drip) as (where, _), pytest.raises(InputError, match="cannot be used"):
        Tokens(TokenSettings(jwks=where))
    gave_up.set()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"keys": 1}',
        '{"keys": {"a": 1}}',
        '{"keys": [1, null, "x", []]}',
        "[" * 100_000,
        '{"keys": []}',
    ],
)
def test_what_is_no_set_of_keys_is_refused_with_the_remedy(tmp_path, text):
    (tmp_path / "jwks.json").write_text(text)
    with pytest.raises(InputError, match="JWKS file or an https URL"):
        Tokens(TokenSettings(jwks=str(tmp_path / "jwks.json")))


def test_a_key_that_is_none_harms_no_other(tmp_path):
    odd = [
        {"kty": "EC", "crv": "P-999", "kid": "x"},
        {"kty": "RSA", "n": 1, "e": 2},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        entry("one", kid=7),
        entry("one", kid=["one"]),
        entry("one", KEYS["two"], use="enc"),
        entry("one", KEYS["two"], key_ops=["sign"]),
    ]
    place = Place(tmp_path, *odd, entry("one"))
    assert place.gets_in(signed("one"))
    assert not place.gets_in(signed("two", kid="one"))


def test_of_two_keys_of_one_id_either_may_have_signed(tmp_path):
    place = Place(tmp_path, entry("one"), entry("one", KEYS["two"]), entry("one", RSA))
    assert place.gets_in(signed("one"))
    assert place.gets_in(signed("two", kid="one"))
    assert place.gets_in(signed("r", "RS256", RSA, kid="one"))


def test_a_key_counts_for_its_own_algorithm_only(tmp_path):
    place = Place(tmp_path, entry("one"), entry("r", RSA), entry("odd", RSA, alg="RS512"))
    place.tokens = Tokens(TokenSettings(jwks=str(place.path), secret=SECRET))
    assert place.gets_in(signed("r", "RS256", RSA))
    assert not place.gets_in(signed("odd", "RS256", RSA))
    assert not place.gets_in(signed("r", "RS384", RSA))
    assert not place.gets_in(signed("r", "PS256", RSA))
    assert not place.gets_in(signed("one", "HS256", "x" * 32))
    assert place.gets_in(signed("one", "HS256", SECRET))
    assert Tokens(TokenSettings(jwks=str(place.path))).recognise(signed("one", "HS256", SECRET)) is None


def test_a_token_that_nests_without_end_proves_nothing():
    tokens = Tokens(TokenSettings(secret=SECRET))

    def part(text):
        return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    for head in ("[" * 4000, '{"alg":"HS256","x":' + "[" * 3000, '{"alg":["HS256"]}', "7"):
        assert tokens.recognise(f"{part(head)}.{part('{}')}.x") is None
    endless = jwt.encode({"sub": "a", "exp": 10**400}, SECRET)
    assert tokens.recognise(endless) is None
