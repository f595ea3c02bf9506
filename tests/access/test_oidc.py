"""Sign-in at an OpenID provider that runs as a process: groups become roles, nothing forged gets in."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from tests.access.test_edges import Place

from ringfence.access.oidc import (
    BEGUN_SECONDS,
    OpenIdProvider,
    ProviderSettings,
    SignInError,
    roles_of_groups,
)
from ringfence.access.roles import Role
from ringfence.api.serving import authoriser_of
from ringfence.api.settings import ServeSettings
from ringfence.errors import InputError

CALLBACK = "http://localhost/sign-in/callback"
PEOPLE = {"ada": ["fraud-desk"], "tom": ["fraud-leads", "canteen"], "eve": ["canteen"], "root": []}


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    """NanoIDP, a small provider: its address once it answers."""
    folder, port = tmp_path_factory.mktemp("provider"), free_port()
    at = f"http://127.0.0.1:{port}"
    client = {"client_id": "ringfence", "client_secret": "secret-of-ringfence", "redirect_uris": [CALLBACK]}
    oauth = {"issuer": at, "audience": "ringfence", "token_expiry_minutes": 5, "clients": [client]}
    users = {
        name: {"password": f"of {name}", "email": f"{name}@bank.example", "groups": groups}
        for name, groups in PEOPLE.items()
    }
    told = {
        "settings": {"server": {"host": "127.0.0.1", "port": port}, "oauth": oauth},
        "users": {"users": users},
    }
    for name, content in told.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"config_version": 1} | content))
    command = [str(Path(sys.executable).with_name("nanoidp")), "--config", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, "the provider ended"
            try:
                if httpx.get(f"{at}/.well-known/openid-configuration").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield at
    finally:
        process.terminate()
        process.wait(20)


def settings(issuer, **more):
    given = {
        "oidc_issuer": issuer,
        "oidc_client_id": "ringfence",
        "oidc_client_secret": "secret-of-ringfence",
        "oidc_redirect": CALLBACK,
        "oidc_roles": ("fraud-desk=analyst", "fraud-leads=supervisor"),
    }
    return given | more


def consent(address, name):
    """What a person's browser does at the provider; the address that leads back."""
    with httpx.Client() as browser:
        form = browser.get(address)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.text))
        back = browser.post(address, data=hidden | {"username": name, "password": f"of {name}"})
    assert back.status_code in (302, 303), back.text[:500]
    return back.headers["location"]


class Door(Place):
    """A server with a provider."""

    def __init__(self, folder, issuer):
        super().__init__(folder)
        self.settings = ServeSettings(deadline_ms=60_000, **settings(issuer))


async def back_from(client, name, wanted="/rules"):
    """A person goes to the provider and comes back; the answer to that."""
    out = await client.get("/sign-in/provider", params={"next": wanted})
    assert out.status_code == 303
    back = await asyncio.to_thread(consent, out.headers["location"], name)
    return await client.get(back)


def test_groups_of_the_provider_become_roles_and_the_session_is_listed(issuer, tmp_path):
    async def talk(client, server):
        found = {}
        for name in PEOPLE:
            client.cookies.clear()
            answer = await back_from(client, name)
            page = await client.get("/rules")
            found[name] = (
                answer.status_code,
                page.status_code,
                [one.roles for one in server.sessions.shown()],
            )
            cookies = answer.headers.get_list("set-cookie")
            if answer.status_code == 200:
                assert 'content="0;url=/rules"' in answer.text
                assert sum("HttpOnly" in one and "Path=/sign-in" in one for one in cookies) == 1
                assert sum("SameSite=Strict" in one and "HttpOnly" in one for one in cookies) == 1
        acts = [(one.act.actor, one.act.outcome) for one in server.trail.records(action="access.signed_in")]
        return found, acts, [one.person for one in server.sessions.shown()]

    found, acts, people = Door(tmp_path, issuer)(talk)
    assert found == {
        "ada": (200, 200, [["analyst"]]),
        "tom": (200, 200, [["supervisor"], ["analyst"]]),
        "eve": (403, 303, [["supervisor"], ["analyst"]]),
        "root": (403, 303, [["supervisor"], ["analyst"]]),
    }
    assert [outcome for _, outcome in acts] == ["done", "done", "refused", "refused"]
    assert all(actor.startswith("sub:") for actor, _ in acts)
    assert len(people) == 2


def test_what_is_forged_late_or_anothers_signs_nobody_in(issuer, tmp_path):
    async def talk(client, server):
        async def begun():
            return (await client.get("/sign-in/provider")).headers["location"]

        back = await asyncio.to_thread(consent, await begun(), "ada")
        query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        browser = client.cookies["ringfence_begun"]
        other = await asyncio.to_thread(consent, await begun(), "tom")
        code_of_tom = parse_qs(urlsplit(other).query)["code"][0]
        tries = []

        async def come(params, cookie):
            client.cookies.clear()
            headers = {"cookie": f"ringfence_begun={cookie}"} if cookie else {}
            tries.append(await client.get("/sign-in/callback", params=params, headers=headers))

        await come(query | {"state": "forged"}, browser)
        await come({"error": "access_denied", "state": query["state"]}, browser)
        await come(query | {"code": ""}, browser)
        await come(query | {"code": code_of_tom}, browser)  # made for another verifier and nonce
        await come(query, browser)  # the state has been used up
        third = await asyncio.to_thread(consent, await begun(), "ada")
        await come(parse_qs(urlsplit(third).query), "")  # a link that somebody else sent
        return [one.status_code for one in tries], len(server.sessions.shown())

    assert Door(tmp_path, issuer)(talk) == ([401] * 6, 0)


def test_a_way_back_that_takes_too_long_is_refused_and_the_pkce_verifier_never_leaves(issuer):
    now = 0.0
    given = ProviderSettings(
        issuer, "ringfence", CALLBACK, "secret-of-ringfence", roles=(("fraud-desk", Role.ANALYST),)
    )
    provider = OpenIdProvider(given, now=lambda: now)
    address = provider.begin("browser", "/home")
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert "code_verifier" not in address
    back = parse_qs(urlsplit(consent(address, "ada")).query)
    now = BEGUN_SECONDS + 1
    with pytest.raises(SignInError, match="too long"):
        provider.finish(back["state"][0], back["code"][0], "browser")


def test_a_provider_that_names_another_issuer_or_does_not_answer_signs_nobody_in(issuer):
    for at in (issuer.replace("127.0.0.1", "localhost"), f"http://127.0.0.1:{free_port()}"):
        provider = OpenIdProvider(ProviderSettings(at, "ringfence", CALLBACK))
        with pytest.raises(SignInError):
            provider.begin("browser", "/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_client_id": ""},
        {"oidc_redirect": "https://fraud.bank.example/"},
        {"oidc_roles": ()},
        {"oidc_roles": ("fraud-desk=emperor",)},
        {"oidc_roles": ("analyst",)},
        {"oidc_issuer": "http://login.bank.example"},
    ],
)
def test_settings_that_are_not_whole_or_safe_are_refused(tmp_path, wrong):
    found = ServeSettings(**settings("https://login.bank.example", **wrong))
    with pytest.raises(InputError):
        OpenIdProvider.of(found.provider())


def test_a_server_with_a_provider_asks_who_is_there(tmp_path):
    found = ServeSettings(host="0.0.0.0", **settings("https://login.bank.example"))
    with closing(authoriser_of(tmp_path, found)) as authoriser:
        assert not authoriser.is_open
    assert roles_of_groups(("a=b=viewer",)) == (("a=b", Role.VIEWER),)
