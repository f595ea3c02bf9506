"""Hostile requests of every role to every route and page: no 500, no leak, and the server goes on.

python -m benchmarks.fuzz --requests 100000

Bodies are random bytes, good ones cut, mutated, nested deeply, in wrong encodings, with huge numbers, or
compressed, bombs among them; paths, queries, forms and headers hold what no client would send. 50 secrets are
planted (`benchmarks.planted`): card numbers anywhere in a request, proofs of a payer in the fields of such,
keys where keys go, and those of settings. None may come up in an answer, a log, a file or the store.
Every request is drawn from the seed, and the server is asked for a decision in between.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import httpx
import zstandard
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from benchmarks.api_load import payments
from benchmarks.planted import PROOF_FIELDS, SETTINGS, Planted
from benchmarks.serving import Process
from ringfence.access.roles import PERMITTED, Permission, Role
from ringfence.api.http.lazy_routes import add_routes
from ringfence.web.parts.asking import permitted
from ringfence.web.site import PAGES

MIB = 1 << 20
_PROOF = re.compile(  # what stands behind a name that a cut or a changed byte made another's is no secret
    rb'("(?:%s)"[^"\n]{0,6}"?)?PROOF[0-9]{9}X' % "|".join(PROOF_FIELDS).encode()
)
KINDS = (
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data; boundary=x",
    "",
)
NASTY = (
    "",
    "%00",
    "..%2f..%2f",
    "%ff%fe",
    "%F0%9F%98%80",
    "a%2Fb",
    "-1",
    "9" * 400,
    "%22%27%3B--",
    "{id}",
    "nan",
)
NUMBERS = (
    "9" * 5000,
    "1e999999",
    "-0",
    "1e-999999",
    "0.1e+400",
    "1E400",
    "-" + "9" * 309,
    "18446744073709551616",
)
FINE = frozenset(
    {200, 201, 202, 204, 303, 307, 400, 401, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 429, 431, 503}
)


ENDS = frozenset({"/sign-out"})  # tried a few times only: whoever signs out has to sign in again


class Fuzzer:
    """Requests to the routes of a document, and to the pages."""

    def __init__(self, document: dict, seed: int, planted: Planted) -> None:
        self.chance = random.Random(seed)
        self.planted = planted
        self.routes = [(*one, False) for one in operations(document)]
        self.routes += [(*one, True) for one in operations(page_document()) if one[1] not in ENDS]
        self.visits: dict[Role, tuple[str, str]] = {}  # cookie and form token

    def asked(self, http: httpx.Client) -> dict:
        """Arguments of `httpx.Client.request`, of somebody or nobody, some of them with a card number."""
        request, is_page = self.request()
        draw, headers = self.chance.random(), request["headers"]
        role = self.chance.choice(list(Role))
        if draw < 0.04:
            headers["authorization"] = f"Bearer {self.chance.choice(self.planted.strangers)}"
        elif is_page and Permission.READ in PERMITTED[role]:
            if role not in self.visits or self.chance.random() < 0.002:
                self.visits[role] = signed_in(http, self.planted.keys[role])
            cookie, token = self.visits[role]
            headers["cookie"] = f"ringfence_session={cookie}"
            if self.chance.random() < 0.95:
                headers["x-csrf-token"] = token
        elif draw < 0.96:
            headers["authorization"] = f"Bearer {self.planted.keys[role]}"
        if self.chance.random() < 0.15:
            name = self.chance.choice(
                ("user-agent", "referer", "x-request-id", "forwarded", "accept", "hx-request")
            )
            headers[name] = self.chance.choice(
                (self.chance.choice(self.planted.cards), "\x7f" * 20, "a" * 3000)
            )
        request["role"] = role
        return request

    def request(self) -> tuple[dict, bool]:
        """Arguments of `httpx.Client.request`, and whether they are for a page."""
        chance = self.chance
        method, path, operation, is_page = chance.choice(self.routes)
        if chance.random() < 0.05:
            method = chance.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
        headers: dict[str, str] = {}
        content = b""
        if is_page and method == "POST" and chance.random() < 0.8:
            content = self.form(operation)
            headers["content-type"] = "application/x-www-form-urlencoded"
        elif method == "POST" or chance.random() < 0.05:
            content, encoding = self.body(operation)
            headers["content-type"] = chance.choice((*(operation_kinds(operation) * 4), *KINDS))
            if encoding:
                headers["content-encoding"] = encoding
        url = self.url(path, operation)
        return {"method": method, "url": url, "headers": headers, "content": content}, is_page

    def form(self, operation: dict) -> bytes:
        """The form of a page, some of its fields left out."""
        names = [name for name in operation.get("fields", ()) if self.chance.random() < 0.85]
        return urlencode([(name, self.value()) for name in names]).encode()

    def value(self) -> str:
        """What somebody might type."""
        chance = self.chance
        if chance.random() < 0.2:
            return chance.choice(self.planted.cards)
        good = (
            "1",
            "note",
            "active",
            "head",
            "close",
            "confirmed_fraud",
            "card",
            "block",
            "amount > 900",
            "C-1",
        )
        return chance.choice(
            (*good, "SELECT 1", "name: x\nrules: []", "\x00", "\ud7ff" * 90, "9" * 400, "-1")
        )

    def url(self, path: str, operation: dict) -> str:
        """The path with something in its places, and some of its parameters."""
        filled = re.sub(r"\{[a-z0-9_]+\}", lambda _: self.word(), path)
        asked = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        query = [f"{name}={self.word()}" for name in asked if self.chance.random() < 0.5]
        if self.chance.random() < 0.1:
            query.append(f"{self.word()}={self.word()}")
        return f"{filled or '/'}{'?' + '&'.join(query) if query else ''}"

    def word(self) -> str:
        """Something that stands in a path or in a query."""
        if self.chance.random() < 0.05:
            return self.chance.choice(self.planted.cards)
        if self.chance.random() < 0.4:
            return self.chance.choice(
                ("pay-1", "card", "c1", "head", "active", "1700000000000", "decline", "5")
            )
        return self.chance.choice(NASTY) or "x"

    def body(self, operation: dict) -> tuple[bytes, str]:
        """A body and its encoding."""
        chance = self.chance
        content = chance.choice((self.noise, self.mutated, self.cut, self.nested, self.absurd, self.recoded))(
            self.good(operation)
        )
        content = _PROOF.sub(lambda found: found[0] if found[1] else b"X" * 15, content)
        draw = chance.random()
        if draw < 0.01:
            encoding = chance.choice(("gzip", "zstd"))
            return bomb(encoding, chance.choice((b" ", b"[", b"\n", b"{}\n"))), encoding
        if draw < 0.05:
            return gzip.compress(content)[: chance.randrange(1, 200)], "gzip"
        if draw < 0.1:
            return zstandard.ZstdCompressor().compress(content), chance.choice(
                ("zstd", "gzip", "br", "zstd, gzip")
            )
        if draw < 0.15:
            return gzip.compress(content), "gzip"
        return content, ""

    def good(self, operation: dict) -> bytes:
        """What the route would take, as its example has it, or a payment, or many."""
        examples = [
            one["example"]
            for one in operation.get("requestBody", {}).get("content", {}).values()
            if "example" in one
        ]
        payment = self.payment()
        if self.chance.random() < 0.2:
            return b"\n".join([payment] * self.chance.choice((1, 3, 300)))
        if not examples or self.chance.random() < 0.2:
            return payment
        example = self.chance.choice(examples)
        return example.encode() if isinstance(example, str) else json.dumps(example).encode()

    def payment(self) -> bytes:
        """A payment of a planted card, with proofs in the fields of such and numbers where none belong."""
        chance = self.chance
        found = json.loads(payments(1, f"f{chance.randrange(1000)}", chance.randrange(100))[0])
        found["card_number"] = chance.choice(self.planted.cards)
        found.pop("card_id", None)
        place = chance.choice(("merchant_id", "attributes", "customer_id", "transaction_id", "email", "", ""))
        card = chance.choice(self.planted.cards)
        proof = {chance.choice(PROOF_FIELDS): chance.choice(self.planted.proofs)}
        found |= {"attributes": {"memo": f"paid with {card}", **proof}} if place == "attributes" else proof
        if place and place != "attributes":
            found[place] = card
        return json.dumps(found).encode()

    def noise(self, _good: bytes) -> bytes:
        return self.chance.randbytes(self.chance.choice((0, 1, 2, 17, 300, 70_000)))

    def mutated(self, good: bytes) -> bytes:
        changed = bytearray(good)
        for _ in range(self.chance.randrange(1, 8)):
            changed[self.chance.randrange(len(changed))] = self.chance.randrange(256)
        return bytes(changed)

    def cut(self, good: bytes) -> bytes:
        begin, end = sorted(self.chance.randrange(len(good) + 1) for _ in range(2))
        return self.chance.choice((good[:end], good[begin:], good[:begin] + good[end:], good * 3))

    def nested(self, _good: bytes) -> bytes:
        depth = self.chance.choice((10, 900, 100_000))
        opening = self.chance.choice((b"[", b'{"a":', b'{"attributes":', b'{"entries":['))
        closing = b"]" if opening.endswith(b"[") else b"}"
        return opening * depth + self.chance.choice((b"", b"1" + closing * depth))

    def absurd(self, good: bytes) -> bytes:
        """A number, a text or a null where there was something else."""
        places = [match.span(1) for match in re.finditer(rb":\s*(\"[^\"]*\"|[-0-9.]+)", good)] or [(0, 0)]
        begin, end = self.chance.choice(places)
        value = self.chance.choice(
            (*NUMBERS, "null", "[]", "{}", "true", '"\\ud800"', '"\\u0000"', f'"{self.planted.cards[0]}"')
        )
        return good[:begin] + value.encode() + good[end:]

    def recoded(self, good: bytes) -> bytes:
        text = good.decode(errors="replace") + "\u00e9\U0001f600"
        return text.encode(
            self.chance.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1", "utf-7")), "replace"
        )


@cache
def bomb(encoding: str, filling: bytes) -> bytes:
    """Little that unfolds to much."""
    content = filling * (100 * MIB)
    return gzip.compress(content, 1) if encoding == "gzip" else zstandard.ZstdCompressor().compress(content)


def operation_kinds(operation: dict) -> tuple[str, ...]:
    return tuple(operation.get("requestBody", {}).get("content", {})) or ("application/json",)


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def page_document() -> dict:
    """The pages as their functions have them: parameters, and the fields of forms."""
    app = FastAPI()
    add_routes(app, (module.router for module in PAGES), permitted)
    found = get_openapi(title="pages", version="1", routes=app.routes)
    schemas = found.get("components", {}).get("schemas", {})
    for _, _, operation in operations(found):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"].get("$ref", "").rsplit("/", 1)[-1]
            operation["fields"] = list(schemas.get(name, {}).get("properties", {}))
    return found


def signed_in(http: httpx.Client, key: str) -> tuple[str, str]:
    """Cookie and form token of a new session."""
    cookie = http.get("/sign-in").cookies["ringfence_session"]
    headers = {"cookie": f"ringfence_session={cookie}"}
    token = http.get("/session", headers=headers).json()["csrf"]
    answer = http.post("/sign-in", data={"key": key, "csrf": token}, headers=headers)
    assert answer.status_code == 303, answer.text
    cookie = answer.cookies["ringfence_session"]
    csrf = http.get("/session", headers={"cookie": f"ringfence_session={cookie}"}).json()["csrf"]
    http.cookies.clear()
    return cookie, csrf


class Found:
    """What came of it. `faults` are answers with 500 and the like, `leaks` where a secret came up."""

    def __init__(self) -> None:
        self.statuses: Counter = Counter()
        self.faults: list[str] = []
        self.leaks: list[str] = []


def run(folder: Path, requests: int, seed: int) -> Found:
    """So many requests, and a look at everything that is left of them."""
    planted, found, log = Planted(folder / "data", seed), Found(), folder / "server.log"
    process = Process(
        folder / "data",
        log=log,
        RINGFENCE_SERVE_STREAM_SECONDS="0.02",
        RINGFENCE_SERVE_BATCH_BYTES=str(16 * MIB),
        **SETTINGS,
    )
    decide = {"content-type": "application/json", "authorization": f"Bearer {planted.keys[Role.DECIDE]}"}
    try:
        with httpx.Client(base_url=process.url, timeout=60) as http:
            fuzzer = Fuzzer(http.get("/openapi.json").json(), seed, planted)
            for number in range(requests):
                found.statuses[send(http, fuzzer, found)] += 1
                if number % 50 == 0:
                    body = payments(1, f"between{seed}-{number}")[0]
                    fine = http.post("/v1/decisions", content=body, headers=decide)
                    if fine.status_code != 200:
                        found.faults.append(f"a payment in between got {fine.status_code}: {fine.text[:300]}")
    finally:
        code = process.end()
    if code:
        found.faults.append(f"the server ended with {code}")
    found.leaks += planted.in_files(folder) + planted.in_store(folder / "data")
    return found


def send(http: httpx.Client, fuzzer: Fuzzer, found: Found) -> int:
    asked = fuzzer.asked(http)
    role = asked.pop("role")
    told = f"{asked['method']} {asked['url'][:200]} as {role}"
    try:
        answer = http.request(**asked)
    except httpx.RemoteProtocolError:  # uvicorn hangs up on what is no HTTP
        return 0
    finally:
        http.cookies.clear()
    if answer.status_code not in FINE:
        found.faults.append(f"{answer.status_code} for {told}: {answer.text[:300]}")
    refused = answer.status_code >= 400 and asked["method"] != "HEAD"
    if refused and answer.headers.get("content-type", "").startswith("application/problem+json"):
        assert answer.json()["detail"], asked
    shown = answer.content + repr(answer.headers.multi_items()).encode()
    if secret := fuzzer.planted.find(shown):
        at = shown.find(secret.encode())
        found.leaks.append(f"{secret} in the answer to {told}: {shown[max(at - 80, 0) : at + 40]!r}")
    if answer.status_code == 303 and "/sign-in" in answer.headers.get("location", ""):
        fuzzer.visits.pop(role, None)  # signed out, or never in
    return answer.status_code


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        found = run(Path(scratch), options.requests, options.seed)
    took = time.perf_counter() - begin
    print(f"{options.requests:,} requests in {took:,.0f} s, 50 secrets planted")
    print(
        "statuses: "
        + ", ".join(f"{status or 'hung up'}: {count:,}" for status, count in sorted(found.statuses.items()))
    )
    for one in (*found.faults[:40], *found.leaks[:40]):
        print(f"- {one}")
    good = not found.faults and not found.leaks
    print(f"{'PASS' if good else 'FAIL'}: {len(found.faults)} faults, {len(found.leaks)} leaks")
    sys.exit(not good)


if __name__ == "__main__":
    main()
