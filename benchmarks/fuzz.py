"""Hostile requests to every route: no 500, no answer without a reason, and the server goes on.

python -m benchmarks.fuzz --requests 5000

Bodies are random bytes, good ones cut, mutated, nested deeply, in wrong encodings, with huge numbers, or
compressed, bombs among them; paths and queries hold what no client would send. Every request is drawn from
the seed, and the server is asked for a decision in between.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

import httpx
import zstandard

from benchmarks.api_load import payments
from benchmarks.serving import Process

MIB = 1 << 20
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
CARD = "4111111111111111"
FINE = frozenset({200, 201, 202, 400, 401, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 429, 431, 503})


class Fuzzer:
    """Requests to the routes of a document."""

    def __init__(self, document: dict, seed: int) -> None:
        self.chance = random.Random(seed)
        self.routes = [
            (method.upper(), path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]

    def request(self) -> dict:
        """Arguments of `httpx.Client.request`."""
        chance = self.chance
        method, path, operation = chance.choice(self.routes)
        if chance.random() < 0.05:
            method = chance.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
        headers: dict[str, str] = {}
        content = b""
        if method == "POST" or chance.random() < 0.05:
            content, encoding = self.body(operation)
            headers["content-type"] = chance.choice((*(operation_kinds(operation) * 4), *KINDS))
            if encoding:
                headers["content-encoding"] = encoding
        return {"method": method, "url": self.url(path, operation), "headers": headers, "content": content}

    def url(self, path: str, operation: dict) -> str:
        """The path with something in its places, and some of its parameters."""
        filled = re.sub(r"\{[a-z_]+\}", lambda _: self.word(), path)
        asked = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        query = [f"{name}={self.word()}" for name in asked if self.chance.random() < 0.5]
        if self.chance.random() < 0.1:
            query.append(f"{self.word()}={self.word()}")
        return f"{filled or '/'}{'?' + '&'.join(query) if query else ''}"

    def word(self) -> str:
        """Something that stands in a path or in a query."""
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
        payment = payments(1, f"f{self.chance.randrange(1000)}", self.chance.randrange(100))[0]
        if self.chance.random() < 0.2:
            return b"\n".join([payment] * self.chance.choice((1, 3, 300)))
        if not examples or self.chance.random() < 0.2:
            return payment
        example = self.chance.choice(examples)
        return example.encode() if isinstance(example, str) else json.dumps(example).encode()

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
            (*NUMBERS, "null", "[]", "{}", "true", '"\\ud800"', '"\\u0000"', f'"{CARD}"')
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


def run(folder: Path, requests: int, seed: int) -> Counter:
    """Statuses of that many requests; asserts what has to hold of each."""
    process = Process(
        folder, RINGFENCE_SERVE_STREAM_SECONDS="0.02", RINGFENCE_SERVE_BATCH_BYTES=str(16 * MIB)
    )
    found: Counter = Counter()
    try:
        with httpx.Client(base_url=process.url, timeout=60) as http:
            fuzzer = Fuzzer(http.get("/openapi.json").json(), seed)
            for number in range(requests):
                asked = fuzzer.request()
                status = send(http, asked)
                found[status] += 1
                if number % 50 == 0:
                    fine = http.post(
                        "/v1/decisions", content=payments(1, f"between{seed}-{number}")[0], headers=JSON
                    )
                    assert fine.status_code == 200, (fine.text, asked)
    finally:
        code = process.end()
    assert code == 0, f"the server ended with {code}"
    return found


JSON = {"content-type": "application/json"}


def send(http: httpx.Client, asked: dict) -> int:
    try:
        answer = http.request(**asked)
    except httpx.RemoteProtocolError:  # uvicorn hangs up on what is no HTTP
        return 0
    assert answer.status_code in FINE, (answer.status_code, answer.text[:300], asked)
    refused = answer.status_code >= 400 and asked["method"] != "HEAD"
    if refused and answer.headers.get("content-type", "").startswith("application/problem+json"):
        assert answer.json()["detail"], asked
    assert CARD not in answer.text or CARD.encode() not in asked["content"], asked
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
    print(f"{options.requests:,} requests in {took:,.0f} s, none with 500; the server went on")
    print(
        "statuses: "
        + ", ".join(f"{status or 'hung up'}: {count:,}" for status, count in sorted(found.items()))
    )


if __name__ == "__main__":
    main()
