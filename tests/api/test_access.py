"""Who gets in, with what, for how long, and how often."""

import base64
import hmac
import io
import json
import time
from contextlib import closing

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.api.conftest import NDJSON, lines, payment

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.access.tokens import Tokens, TokenSettings
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.serving import authoriser_of
from ringfence.api.settings import ServeSettings
from ringfence.errors import InputError

LOOKING = ("viewer", "supervisor", "builder", "auditor", "compliance")
SECRET = "a shared secret of more than sixty-four bytes, as HS512 would like to have"


def signed_with_public(public):
    """A token whose shared secret is the public key, as an attacker would make it."""
    parts = ({"alg": "HS256", "kid": "k1"}, {"sub": "thief", "exp": time.time() + 60})
    head = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    proof = base64.urlsafe_b64encode(hmac.digest(public.encode(), head, "sha256")).rstrip(b"=")
    return (head + b"." + proof).decode()


@pytest.fixture
def keys(tmp_path):
    found = ApiKeys(tmp_path / "keys")
    yield found
    found.close()


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def token(key=SECRET, algorithm="HS256", headers=None, **claims):
    base = {"sub": "till", "exp": time.time() + 60, "roles": ["decide"]}
    return jwt.encode(base | claims, key, algorithm, headers)


def test_without_a_key_nothing_is_told_and_a_good_key_gets_in(api, keys):
    async def talk(client):
        good = bearer(keys.create("till", frozenset({Role.DECIDE}), 0))
        tries = [{}, bearer("nonsense"), bearer("rf_00000000_x"), {"authorization": "Basic eDp5"}, good]
        tries.append({"x-api-key": good["authorization"].removeprefix("Bearer ")})
        return [(await client.post("/v1/decisions", json=payment(), headers=h)) for h in tries]

    answers = api(talk, authoriser=Authoriser(keys))
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 200, 200]
    assert answers[0].headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused_at_once_although_callers_are_remembered(api, keys):
    async def talk(client):
        key = keys.create("till", frozenset({Role.DECIDE}), 0)
        before = await client.post("/v1/decisions", json=payment(), headers=bearer(key))
        keys.revoke(key.split("_")[1], 1)
        after = await client.post("/v1/decisions", json=payment(), headers=bearer(key))
        return before.status_code, after.status_code

    assert api(talk, authoriser=Authoriser(keys)) == (200, 401)


def test_a_role_opens_its_own_routes_only(api, keys):
    async def talk(client):
        found = {}
        for role in Role:
            headers = bearer(keys.create(role, frozenset({role}), 0))
            label = {
                "kind": "profile",
                "event_id": "p",
                "entity_type": "card",
                "entity_id": "c",
                "event_time": 1,
            }
            found[role.value] = [
                (await client.post("/v1/decisions", json=payment(), headers=headers)).status_code != 403,
                (await client.post("/v1/events", json=label, headers=headers)).status_code != 403,
                (await client.get("/v1/decisions", headers=headers)).status_code != 403,
                (await client.get("/metrics", headers=headers)).status_code != 403,
            ]
        return found

    assert api(talk, authoriser=Authoriser(keys)) == {
        "decide": [True, False, False, False],
        "ingest": [False, True, False, False],
        "analyst": [False, False, True, True],
        "admin": [True, True, True, True],
        "privacy": [False, False, False, False],
        "service": [True, True, False, False],
        **{role: [False, False, True, True] for role in LOOKING},
    }


def test_a_key_has_its_own_limit_and_a_batch_counts_its_records(api, keys):
    async def talk(client):
        slow = bearer(keys.create("slow", frozenset({Role.DECIDE}), 0, rate=0.001, burst=3))
        free = bearer(keys.create("free", frozenset({Role.DECIDE}), 0))
        batch = lines([payment("a"), payment("b")])
        first = await client.post("/v1/decisions/batch", content=batch, headers=slow | NDJSON)
        second = await client.post("/v1/decisions", json=payment("c"), headers=slow)
        third = await client.post("/v1/decisions", json=payment("c"), headers=free)
        return first, second, third

    first, second, third = api(talk, authoriser=Authoriser(keys))
    assert [first.status_code, second.status_code, third.status_code] == [200, 429, 200]
    assert int(second.headers["retry-after"]) > 100


def test_the_file_of_keys_holds_no_secret_and_is_private(keys, tmp_path):
    key = keys.create("till", frozenset({Role.DECIDE}), 0)
    files = list((tmp_path / "keys").iterdir())
    secret = key.split("_", 2)[2]  # which may hold further underscores
    assert len(secret) > 40
    assert not any(secret.encode() in file.read_bytes() for file in files)
    assert (tmp_path / "keys" / "access.db").stat().st_mode & 0o077 == 0


def test_a_signed_token_gets_in_and_a_forged_one_does_not():
    tokens = Tokens(TokenSettings(secret=SECRET, issuer="bank", audience="ringfence"))
    right = {"iss": "bank", "aud": "ringfence"}
    caller, _ = tokens.recognise(token(**right))
    assert (caller.name, caller.roles) == ("sub:till", frozenset({Role.DECIDE}))
    other = "another secret that is long enough for this"
    forged = [
        token(other, **right),
        token(**right, exp=time.time() - 60),
        token(iss="bank", aud="elsewhere"),
        token(iss="thief", aud="ringfence"),
        token(None, "none", **right),
        token(algorithm="HS512", **right),
        "a.b.c",
        "",
        "x" * 10_000,
    ]
    assert [tokens.recognise(one) for one in forged] == [None] * len(forged)


def test_a_scope_is_as_good_as_roles_and_unknown_roles_give_nothing():
    tokens = Tokens(TokenSettings(secret=SECRET))
    assert tokens.recognise(token(roles=["root"]))[0].roles == frozenset()
    scoped = jwt.encode({"sub": "a", "exp": time.time() + 9, "scope": "openid analyst"}, SECRET)
    assert tokens.recognise(scoped)[0].roles == frozenset({Role.ANALYST})


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_key_of_a_jwks_file_verifies_tokens_and_never_serves_as_a_secret(tmp_path, algorithm):
    if algorithm == "RS256":
        private = rsa.generate_private_key(65537, 2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())
    else:
        private = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key())
    entry = json.loads(public) | {"kid": "k1", "use": "sig"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [entry]}))
    tokens = Tokens(TokenSettings(jwks=str(tmp_path / "jwks.json")))
    assert tokens.recognise(token(private, algorithm, {"kid": "k1"}))[0].name == "sub:till"
    assert tokens.recognise(token(private, algorithm, {"kid": "k2"})) is None
    assert tokens.recognise(signed_with_public(public)) is None


def test_a_new_key_of_the_jwks_is_found_without_a_restart(tmp_path):
    def write(*names):
        entries = [{**json.loads(publics[name]), "kid": name} for name in names]
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": entries}))

    privates = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}
    publics = {n: jwt.algorithms.ECAlgorithm.to_jwk(p.public_key()) for n, p in privates.items()}
    write("old")
    now = 0.0
    tokens = Tokens(TokenSettings(jwks=str(tmp_path / "jwks.json")), now=lambda: now)
    write("old", "new")
    fresh = token(privates["new"], "ES256", {"kid": "new"})
    assert tokens.recognise(fresh) is None
    now = 31.0
    assert tokens.recognise(fresh) is not None


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (TokenSettings(secret="short"), "at least 32"),
        (TokenSettings(jwks="/nowhere/jwks.json"), "JWKS file or an https URL"),
        (TokenSettings(jwks="http://example.org/jwks.json"), "JWKS file or an https URL"),
    ],
)
def test_token_settings_that_cannot_work_are_refused_with_the_remedy(settings, remedy):
    with pytest.raises(InputError, match=remedy):
        Tokens(settings)


def test_a_server_that_others_can_reach_wants_to_know_who_may_ask(tmp_path):
    with pytest.raises(InputError, match="ringfence keys create"):
        authoriser_of(tmp_path, ServeSettings(host="0.0.0.0"))
    assert authoriser_of(tmp_path, ServeSettings()).is_open
    keys = ApiKeys(tmp_path)
    keys.create("till", frozenset({Role.DECIDE}), 0)
    for settings in (ServeSettings(host="0.0.0.0"), ServeSettings()):
        with closing(authoriser_of(tmp_path, settings)) as authoriser:
            assert not authoriser.is_open
    keys.close()


def test_the_access_log_says_who_asked_for_what_and_no_card_number_or_token(api, keys):
    log = io.BytesIO()

    async def talk(client):
        key = keys.create("boss", frozenset({Role.ADMIN}), 0)
        headers = bearer(key)
        await client.post("/v1/decisions", json=payment(), headers=headers)
        await client.get("/v1/decisions/4111111111111111", headers=headers)
        await client.get("/v1/entities/card/4111111111111111?x=4111111111111111", headers=headers)
        await client.get("/4111111111111111", headers=headers)
        return key

    async def logged(client):
        key = await talk(client)
        client.log.flush()
        return key

    key = api(logged, authoriser=Authoriser(keys), log=log)
    text = log.getvalue().decode()
    found = [json.loads(line) for line in text.splitlines()]
    assert [(one["route"], one["status"]) for one in found] == [
        ("/v1/decisions", 200),
        ("/v1/decisions/{transaction_id:id}", 404),
        ("unmatched", 422),  # a card number in an address is refused before its route is looked for
        ("unmatched", 404),
    ]
    assert found[0]["caller"] == f"key:{key.split('_')[1]}"
    assert "411111" not in text
    assert key.split("_", 2)[2] not in text


def test_other_origins_are_let_in_by_configuration_only(api):
    async def ask(client):
        headers = {"origin": "https://fraud.example", "access-control-request-method": "POST"}
        return (await client.options("/v1/decisions", headers=headers)).headers

    assert "access-control-allow-origin" not in api(ask)
    allowed = api(ask, cors_origins=("https://fraud.example",))
    assert allowed["access-control-allow-origin"] == "https://fraud.example"
