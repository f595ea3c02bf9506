"""What hostile callers send: bombs, floods, endless names. As a process, it sends one kind for a while."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import sys
import threading
import time
from collections import Counter
from functools import cache
from urllib.parse import urlencode

import httpx
import zstandard

MIB = 1 << 20
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}


def payment(identity, **fields):
    return {"transaction_id": identity, "event_time": time.time_ns() // 10**6, "amount": 9.5} | fields


def lines(records):
    return b"\n".join(json.dumps(record).encode() for record in records)


@cache
def bombs():
    """Little that unfolds to much, by codec and shape."""
    shapes = {
        "newlines": (NDJSON, b"", b"\n"),
        "spaces": (NDJSON, b"", b" "),
        "bad": (NDJSON, b"", b"{}\n"),
        "payments": (NDJSON, b"", lines([payment("same")]) + b"\n"),
        "numbers": (JSON, b"[", b"1,"),
        "arrays": (JSON, b"[", b"[],"),
        "nested": (JSON, b"", b"["),
        "objects": (JSON, b"", b'{"a":'),
        "text": (JSON, b'["', b"x"),
        "digits": (JSON, b"[", b"9"),
    }
    codecs = {
        "gzip": lambda text: gzip.compress(text, 1),
        "zstd": zstandard.ZstdCompressor().compress,
        "": lambda text: text[: 4 * MIB],
        "gzip members": lambda text: gzip.compress(text[:MIB], 1) * 64,
        "zstd frames": lambda text: zstandard.ZstdCompressor().compress(text[:MIB]) * 64,
    }
    found = []
    for kind, begin, filling in shapes.values():
        text = begin + filling * (16 * MIB // len(filling))
        for name, pack in codecs.items():
            encoding = {"content-encoding": name.split()[0]} if name else {}
            found.append((kind | encoding, pack(text)))
    return found


# What a kind sends, over and over: path, headers and body, None to get. `number` is that of the connection.


_DOORS = ("/v1/decisions/batch", "/v1/events/batch", "/v1/decisions", "/v1/lists/entries", "/v1/rules/check")


def of_bombs(_number):
    for headers, body in bombs():
        for path in _DOORS:
            yield path, headers, body


def of_mixed(number):
    """Attributes that change their type from one record to the next, and from one caller to the next."""
    values = (1, "one", True, 1.5, None, "2", 1e300, "", -0.0)
    for _ in range(20):
        records = [
            payment(f"mix-{number}-{next(_RUNNING)}", attributes={"mcc": value, "n": value, "risk": value})
            for value in values * 30
        ]
        yield "/v1/events/batch", NDJSON, lines(records)
        alone = records[0] | {"transaction_id": f"one-{next(_RUNNING)}"}
        yield "/v1/events", JSON, json.dumps(alone).encode()


def of_names(number):
    """Each payment with 512 attributes of its own."""
    for _ in range(10):
        begin = next(_RUNNING)
        records = [
            payment(f"names-{number}-{begin}-{n}", attributes={f"a{begin}_{n}_{k}": k for k in range(512)})
            for n in range(8)
        ]
        yield "/v1/events/batch", NDJSON, lines(records)
        yield "/v1/decisions", JSON, json.dumps(records[0] | {"transaction_id": f"n-{begin}"}).encode()


def of_bad(number):
    """Records of which none can be read, each another one."""
    begin = next(_RUNNING)
    unknown = lines({"n": f"{number}-{begin}-{n}", "amount": "x"} for n in range(9000))
    yield "/v1/events/batch", NDJSON, unknown
    yield "/v1/events/batch", NDJSON, b"\n".join(b"\xff%d" % n for n in range(9000))
    yield "/v1/decisions", JSON, json.dumps({f"f{n}": 1 for n in range(50_000)}).encode()


def of_large(_number):
    """Payments of a mebibyte, in every shape that is slow to read."""
    head = json.dumps(payment(f"large-{next(_RUNNING)}"))[:-1]
    shapes = (
        '"x":[' + "1," * 500_000 + "1]",
        '"x":[' + "{}," * 300_000 + "1]",
        '"attributes":{' + ",".join(f'"n{n}":1' for n in range(60_000)) + "}",
        '"attributes":{"a":"' + "4111 1111 1111 1112 " * 40_000 + '"}',
        '"lat":' + "9" * 1_000_000,
        '"city":"' + "\\u0041" * 160_000 + '"',
        '"attributes":{' + ",".join(f'"n{n}":"{"4" * 1900}"' for n in range(500)) + "}",
    )
    for shape in shapes:
        for path in ("/v1/decisions", "/v1/events"):
            yield path, JSON, f"{head},{shape}}}".encode()


def of_rules(_number):
    """Books that take long to check."""
    rule = "- {{id: r{0}, title: B, when: '{1}', points: 5, reason: BIG, analyst: B.}}\n"
    texts = (
        "rules:\n" + "".join(rule.format(n, f"amount > {n} and card.count_1h >= 2") for n in range(2000)),
        "rules:\n" + "".join(rule.format(n, f"amuont{n} > 9") for n in range(2400)),
        "rules: [" + "{}," * 80_000 + "]",
        "\n" * 250_000,
        "rules:\n" + rule.format(1, "amount in (" + ",".join(map(str, range(3000))) + ")"),
        "x" * 900_000,
    )
    for text in texts:
        yield "/v1/rules/check", JSON, json.dumps({"text": text}).encode()


def of_keys(number):
    """Keys and tokens of nobody, each another one."""
    for _ in range(200):
        name = b"rf_%08x_%d" % (next(_RUNNING), number)
        yield "/v1/decisions", JSON | {"authorization": f"Bearer {name.decode()}"}, b"{}"
        yield "/v1/decisions", JSON | {"authorization": f"Bearer eyJ.{name.decode()}.x"}, b"{}"


def of_questions(number):
    """Costly questions to a log of some length: patterns of hundreds of tests, and graphs of entities."""
    begin = next(_RUNNING)
    records = [
        payment(
            f"q-{number}-{begin}-{n}", card_id=f"c{n % 50}", customer_id=f"u{n % 70}", device_id=f"d{n % 9}"
        )
        for n in range(2000)
    ]
    yield "/v1/decisions/batch", NDJSON, lines(records)
    wildcards = [{"wildcard": f"*{n}*a*b*c*d*"} for n in range(450)]
    pattern = json.dumps({"data": {"transaction_id": wildcards}})
    expression = " or ".join(f"transaction_id like '%{n}%a%b%c%'" for n in range(400))
    for text in (pattern, expression):
        yield "/v1/bus/test", JSON, json.dumps({"pattern": text}).encode()
        yield "/v1/events?" + urlencode({"pattern": text, "limit": 1000}), JSON, None
    for kind, entity in (("device", "d1"), ("card", "c1")):
        yield f"/v1/graph/ring/{kind}/{entity}", JSON, None


_RUNNING = itertools.count()
KINDS = {
    "mixed": of_mixed,
    "bombs": of_bombs,
    "names": of_names,
    "bad": of_bad,
    "large": of_large,
    "rules": of_rules,
    "keys": of_keys,
    "questions": of_questions,
}
CONNECTIONS = 8


def attack(kind, url, key, seconds):
    """Eight connections send what the kind sends; the statuses that they hear."""
    if kind == "bombs":
        bombs()
    statuses, until = Counter(), time.perf_counter() + seconds

    def one(number):
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60) as http:
            while True:
                for path, headers, body in KINDS[kind](number):
                    try:
                        answer = http.request(
                            "GET" if body is None else "POST", path, content=body, headers=headers
                        )
                    except httpx.HTTPError:  # the server hangs up on some
                        statuses["hung up"] += 1
                    else:
                        statuses[answer.status_code] += 1
                    if time.perf_counter() > until:
                        return

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


if __name__ == "__main__":
    os.nice(10)
    print(json.dumps(attack(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))))
