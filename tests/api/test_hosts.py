"""Under which name a server may be asked, and from whose pages, on the short way of payments too."""

import json

import pytest

from ringfence.access.authoriser import Authoriser
from ringfence.access.principal import Role
from ringfence.adapters.access.keys import ApiKeys
from ringfence.api.http.hosts import HostNames
from ringfence.api.http.proxies import Proxies, scheme_of
from ringfence.errors import InputError

from .conftest import Peer, payment

LOCAL = [
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.8.9.1",
    "[::1]",
    "[::1]:8000",
]
FOREIGN = [
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:8000",
    "localhost:8000@evil.example",
    "localhost evil.example",
    "localhost,evil.example",
    "localhost:x",
    "::1",
    "[::1",
    "0.0.0.0",
    "10.0.0.5",
    "[2001:db8::1]",
    "2130706433",
    "localhost\xff",
    "l\xb7calhost",
]


@pytest.mark.parametrize("host", LOCAL)
def test_an_open_server_has_the_names_of_this_machine(host):
    assert HostNames((), (), is_open=True).allow(host.encode("latin-1"))


@pytest.mark.parametrize("host", FOREIGN)
def test_and_no_others(host):
    assert not HostNames((), (), is_open=True).allow(host.encode("latin-1"))


def test_public_names_are_added_and_with_keys_only_they_and_addresses_count():
    for is_open in (True, False):
        names = HostNames(["Pay.Example."], (), is_open=is_open)
        assert names.allow(b"pay.example:443")
        assert not names.allow(b"evil.example")
    assert HostNames(["pay.example"], (), is_open=False).allow(b"10.0.0.5:8000")
    assert HostNames((), (), is_open=False).allow(b"whatever.example")


@pytest.mark.parametrize(
    "path", ["/v1/decisions", "/v1/decisions/batch", "/v1/lists/entries", "/v1/rules/modes/x"]
)
def test_nothing_is_taken_under_another_name_on_an_open_server(api, path):
    async def talk(client):
        answers = [
            await client.post(path, json=payment(), headers={"host": "evil.example"}),
            await client.get("/v1/decisions", headers={"host": "evil.example"}),
            await client.get("/metrics", headers={"host": "evil.example"}),
            await client.get("/healthz", headers={"host": "evil.example"}),
        ]
        decided = await client.get("/v1/decisions/t1")
        return [answer.status_code for answer in answers], answers[0].json()["code"], decided.status_code

    assert api(talk) == ([421] * 4, "unknown_host", 404)


def test_the_short_way_of_a_payment_knows_the_names_too(wired):
    head = b"POST /v1/decisions HTTP/1.1\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    twice = b"host: localhost\r\nhost: evil.example\r\n"

    async def talk(server):
        found = []
        body = json.dumps(payment()).encode()
        for hosts in (b"host: evil.example\r\n", b"", twice, b"host: localhost\r\n"):
            peer = await Peer.of(server)
            await peer.send(head % (hosts, len(body)) + body)
            found.append((await peer.answer())[0])
        return found

    assert wired(talk) == [421, 421, 421, 200]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    ],
)
def test_pages_of_other_sites_may_not_ask_an_open_server(api, headers):
    async def talk(client):
        return [
            (await client.post("/v1/decisions", json=payment(), headers=headers)).status_code,
            (await client.get("/v1/stream", headers=headers)).status_code,
            (await client.get("/v1/decisions/t1")).status_code,
        ]

    assert api(talk) == [403, 403, 404]


def test_own_pages_configured_ones_and_programs_may(api):
    async def talk(client):
        told = [
            {},
            {"origin": "http://localhost"},
            {"sec-fetch-site": "none"},
            {"origin": "https://shop.example"},
        ]
        return [
            (await client.post("/v1/decisions", json=payment(f"t{n}"), headers=one)).status_code
            for n, one in enumerate(told)
        ]

    assert api(talk, cors_origins=["https://shop.example"]) == [200] * 4


def test_where_keys_are_asked_for_the_page_does_not_matter(api, tmp_path):
    keys = ApiKeys(tmp_path)
    key = keys.create("shop", frozenset({Role.DECIDE}), 0)

    async def talk(client):
        headers = {"authorization": f"Bearer {key}", "origin": "https://evil.example", "host": "pay.example"}
        return (await client.post("/v1/decisions", json=payment(), headers=headers)).status_code

    assert api(talk, authoriser=Authoriser(keys)) == 200
    keys.close()


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([(b"forwarded", b"proto=https")], "https"),
        ([(b"forwarded", b'for="[::1]:1";proto="https";host=a')], "https"),
        ([(b"forwarded", b"proto=https, for=1.2.3.4")], None),
        ([(b"forwarded", b"proto=https"), (b"forwarded", b"for=x;PROTO=http")], "http"),
        ([(b"forwarded", b"for=x"), (b"x-forwarded-proto", b"https")], None),
        ([(b"x-forwarded-proto", b"HTTPS")], "https"),
        ([(b"x-forwarded-proto", b"https,http")], "http"),
        ([(b"x-forwarded-proto", b"wss")], None),
        ([(b"forwarded", b"for=proto=https")], None),
        ([], None),
    ],
)
def test_the_nearest_proxys_own_word_counts(headers, scheme):
    assert scheme_of(headers) == scheme


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ([(b"forwarded", b"for=192.0.2.1;proto=https")], "192.0.2.1"),
        ([(b"forwarded", b'for="192.0.2.1:8080"')], "192.0.2.1"),
        ([(b"forwarded", b'proto=http; For="[2001:DB8:0::1]:1"')], "2001:db8::1"),
        ([(b"forwarded", b"for=6.6.6.6"), (b"forwarded", b"for=192.0.2.1")], "192.0.2.1"),
        ([(b"forwarded", b"for=6.6.6.6, for=192.0.2.1, for=10.0.0.7")], "192.0.2.1"),
        ([(b"forwarded", b"for=6.6.6.6, for=unknown, for=10.0.0.7")], "10.0.0.7"),
        ([(b"forwarded", b"for=_hidden")], None),
        ([(b"forwarded", b"by=192.0.2.1")], None),
        ([(b"forwarded", b"proto=https"), (b"x-forwarded-for", b"192.0.2.1")], None),
        ([(b"x-forwarded-for", b"6.6.6.6, 192.0.2.1 , 10.0.0.7")], "192.0.2.1"),
        ([(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"2001:db8::1")], "2001:db8::1"),
        ([(b"x-forwarded-for", b"shop.example")], None),
        ([(b"x-forwarded-for", b",")], None),
        ([(b"x-forwarded-for", b"1.1.1.1," * 50_000 + b"10.0.0.7," * 99 + b"10.0.0.7")], "10.0.0.7"),
        ([], None),
    ],
)
def test_the_caller_is_whom_the_nearest_proxy_took_the_request_from(headers, caller):
    """10.0.0.0/24 are proxies of ours; 6.6.6.6 is what a caller says of itself."""
    assert Proxies(["10.0.0.0/24"]).caller_of(headers) == caller


def test_behind_a_trusted_proxy_the_streams_of_an_open_server_are_counted_by_caller(wired):
    """Of four places one address gets three; the proxy's alone would lose its oldest to the fourth."""

    async def talk(server):
        for caller in range(4):
            stream = await Peer.of(server)
            head = b"GET /v1/stream HTTP/1.1\r\nhost: localhost\r\nforwarded: for=192.0.2.%d\r\n\r\n"
            await stream.send(head % caller)
            await stream.reader.readuntil(b"follow")
        return len(server.places)

    assert wired(talk, most_streams=4, trusted_proxies=("127.0.0.1",)) == 4
    assert wired(talk, most_streams=4) == 3


def test_a_proxy_is_trusted_by_address_or_network_and_nonsense_is_told():
    proxies = Proxies(["10.0.0.0/24", "2001:db8::/32"])
    assert [
        proxies.trust(one) for one in ("10.0.0.9", "10.0.1.9", "::ffff:10.0.0.9", "2001:db8::1", "", "x")
    ] == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    for wrong in ("proxy.local", "10.0.0.1/8", "*"):
        with pytest.raises(InputError, match="TRUSTED_PROXIES"):
            Proxies([wrong])
