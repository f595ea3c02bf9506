"""A region is lost with all that is in it: what its replicated back-up brings up in another, and how soon.

python -m benchmarks.region_loss --payments 10000 --every 20

Two emulators of AWS stand for two regions, each with a bucket; what is in the first one's arrives in the
second's object by object, as S3 replicates it. A server decides in the first, `ringfence backup` runs every
so often, and its files are uploaded, the manifest last. Then the server is killed and the first region with
its volume is gone. In the second the newest back-up that is whole is restored and served. The recovery point
is how old the last decision is that is there, the recovery time ends with the first new decision. Callers
then send again what was answered and is not there; at the end each payment is decided once.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.api_load import payments
from benchmarks.serving import RINGFENCE, Process
from benchmarks.upgrade import CALLERS, Caller, check
from ringfence.adapters.sqlite import Store
from ringfence.decisions.decision import DecisionBatch
from ringfence.ports import DECISIONS

BUCKET = "ringfence-backups"
MANIFEST = "backup.json"
NAMES = ("eu-central-1", "eu-west-1")


class Region:
    """An emulator in a process of its own, with a bucket for back-ups."""

    def __init__(self, name: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.s3 = boto3.client(
            "s3",
            region_name=name,
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        place = {"LocationConstraint": name}
        end = time.monotonic() + 60
        while True:
            try:
                self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
            except (BotoCoreError, ClientError):
                assert time.monotonic() < end, "the emulator does not answer"
                time.sleep(0.2)
            else:
                return

    def names(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Every(threading.Thread):
    """Does something again and again until it is told to stop; a region that is gone is the end."""

    def __init__(self, what: Any, seconds: float) -> None:
        super().__init__(daemon=True)
        self.what, self.seconds, self.stopped = what, seconds, threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(self.seconds):
            try:
                self.what()
            except (BotoCoreError, ClientError):
                return


def back_up(folder: Path, scratch: Path, here: Region) -> None:
    """A back-up, and its files in the bucket: the manifest last, so that whatever has one is whole there."""
    name = f"{time.time_ns():020d}"
    command = [RINGFENCE, "backup", str(scratch / name), "--data", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return  # the server was killed in the middle
    files = [path for path in (scratch / name).rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == MANIFEST):
        here.s3.upload_file(str(path), BUCKET, str(path.relative_to(scratch)))
    shutil.rmtree(scratch / name)


def replicate(here: Region, there: Region) -> None:
    """One pass of replication, in no order that a reader could rely on."""
    known = set(there.names())
    for key in here.names():
        if key not in known:
            body = here.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            there.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def brought_up(there: Region, scratch: Path, folder: Path) -> str:
    """Restore the newest back-up that is whole, as `ringfence restore` finds; its name."""
    keys = there.names()
    for name in sorted({key.split("/")[0] for key in keys}, reverse=True):
        for key in (key for key in keys if key.startswith(f"{name}/")):
            (scratch / key).parent.mkdir(parents=True, exist_ok=True)
            there.s3.download_file(BUCKET, key, str(scratch / key))
        command = [RINGFENCE, "restore", str(scratch / name), "--data", str(folder)]
        if not subprocess.run(command, capture_output=True, check=False).returncode:
            return name
    raise SystemExit("no back-up arrived: let it run for longer, or back up more often")


def decided(folder: Path) -> set[str]:
    with Store.open(folder, read_only=True) as store:
        tables = [DecisionBatch.decode(batch.payload).table for batch in store.log.read(DECISIONS)]
    return {name for table in tables for name in table.column("transaction_id").to_pylist()}


def lose(scratch: Path, count: int, every: float, here: Region, there: Region) -> bool:
    """Work, loss after half of the payments, recovery; whether every payment is decided once at the end."""
    folder, other = scratch / "here", scratch / "there"
    server = Process(folder)
    address: dict[str, str] = {"url": server.url}
    told: dict[str, tuple[dict[str, Any], float]] = {}
    bodies = payments(count, "p")
    callers = [Caller(bodies[number::CALLERS], address, told) for number in range(CALLERS)]
    regular = [
        Every(lambda: back_up(folder, scratch / "made", here), every),
        Every(lambda: replicate(here, there), 1.0),
    ]
    back_up(folder, scratch / "made", here)  # there is always one of before
    replicate(here, there)
    begun = time.monotonic()
    for thread in (*regular, *callers):
        thread.start()
    while len(told) < count // 2:
        time.sleep(0.02)
    for each in regular:
        each.stopped.set()
    server.end(signal.SIGKILL)
    lost, answered = time.monotonic(), dict(told)
    here.end()
    name = brought_up(there, scratch / "got", other)
    restored, kept = time.monotonic(), decided(other)
    server = Process(other)
    address["url"] = server.url
    for caller in callers:
        caller.join()
    first = min(when for _, when in told.values() if when > restored)
    missing = [one for one in answered if one not in kept]
    last = max((when for one, (_, when) in answered.items() if one in kept), default=begun)
    again = resent(server.url, bodies, missing, told)
    assert server.end() == 0
    others = sum(answered[one][0]["outcome"] != told[one][0]["outcome"] for one in again)
    print(f"back-up {name} of {len(kept):,} payments, made every {every:.0f} s")
    print(f"recovery point: {lost - last:.1f} s, in which {len(missing):,} payments had been answered")
    print(
        f"recovery time: {first - lost:.1f} s, of which {restored - lost:.1f} s until the folder was restored"
    )
    print(f"sent again: {len(again):,}, decided otherwise than the first time: {others:,}")
    return check(other, told, count)


def resent(
    url: str, bodies: list[bytes], missing: list[str], told: dict[str, tuple[dict[str, Any], float]]
) -> list[str]:
    """Callers send once more what was answered in the region that is gone."""
    wanted = set(missing)
    with httpx.Client(timeout=30, headers={"content-type": "application/json"}) as http:
        for body in bodies:
            if json.loads(body)["transaction_id"] in wanted:
                answer = http.post(f"{url}/v1/decisions", content=body).raise_for_status().json()
                told[answer["transaction_id"]] = answer, time.monotonic()
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--payments", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between back-ups")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as regions:
        here, there = (Region(name) for name in NAMES)
        regions.callback(here.end)
        regions.callback(there.end)
        whole = lose(Path(scratch), asked.payments, asked.every, here, there)
    print("PASS" if whole else "FAIL")
    raise SystemExit(not whole)


if __name__ == "__main__":
    main()
