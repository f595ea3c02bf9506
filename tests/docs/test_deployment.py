"""The documented systemd unit and container start, with the rights that they have there and no others."""

import json
import os
import re
import shlex
import shutil
import signal
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
from tests import sandbox

from .pages import ROOT, blocks

PAGE = ROOT / "docs" / "operations" / "serve.md"
BIN = Path(sys.prefix) / "bin"
PAYMENT = {"transaction_id": "p1", "event_time": "2024-05-01T10:00:00Z", "amount": 5, "card_id": "c1"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(sandbox.why_not()), reason=sandbox.why_not() or "can be run"),
]


def block(language):
    (found,) = (one.text for one in blocks(PAGE) if one.language == language)
    return found


def unit():
    """The section [Service] of the documented unit; a key that comes twice has both values."""
    values = {}
    section = block("ini").partition("[Service]")[2].partition("[")[0]
    for line in filter(None, section.splitlines()):
        key, _, value = line.partition("=")
        values.setdefault(key, []).append(value)
    return values


def dockerfile(text):
    """What a container sets: its environment, its command, its check."""
    text = text.replace("\\\n", " ")
    found = {line.partition(" ")[0]: line.partition(" ")[2] for line in text.splitlines()}
    environment = dict(word.split("=", 1) for word in found["ENV"].split())
    return found, environment


def in_a_list(words):
    return [word.strip(' "') for word in words.strip("[] ").split('", ')]


class Run:
    """A sandbox for several commands that share their folders."""

    def __init__(self, environment, binds, *, strict):
        for folder in binds:
            folder.mkdir()
        self.options = {"environment": environment, "binds": binds, "strict": strict}

    def done(self, *command):
        out, err = sandbox.popen(command, **self.options).communicate(timeout=300)
        return out, err

    def serve(self, command):
        """The process, and the address at which it says that it listens."""
        process = sandbox.popen(command, **self.options)
        told = []
        for line in process.stderr:
            told.append(line)
            if found := re.search(r"http://[0-9.:]+[0-9]", line):
                return process, found[0].replace("0.0.0.0", "127.0.0.1"), told
        pytest.fail("".join(told))


def decided(url, key):
    answer = httpx.post(
        f"{url}/v1/decisions", json=PAYMENT, headers={"authorization": f"Bearer {key}"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def serve_twice(run, command, data, cache):
    """Start, decide, stop in order; then again, without compiling, and the same answer."""
    answers = []
    out, err = run.done(str(BIN / "ringfence"), "keys", "create", "till", "--role", "decide")
    key = out.split()[-1]
    assert key, err
    for start in range(2):
        process, url, told = run.serve(command)
        try:
            assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200
            answers.append({**decided(url, key), "replayed": None})
        finally:
            process.send_signal(signal.SIGTERM)
            _, last = process.communicate(timeout=120)
        assert process.returncode == 0, last
        assert any(cache.rglob("*.nbc"))
        assert ("compil" in "".join(told).lower()) is (start == 0), told
    assert answers[0] == answers[1]
    assert list(data.glob("snapshots/*.bin"))


def systemd_starts_it(tmp_path):
    told = unit()
    (state,), (cache,), (start,) = told["ReadWritePaths"], told["CacheDirectory"], told["ExecStart"]
    assert told["ProtectSystem"] == ["strict"]
    assert told["PrivateTmp"] == told["NoNewPrivileges"] == ["yes"]
    environment = dict(value.split("=", 1) for value in told["Environment"])
    environment |= {"CACHE_DIRECTORY": f"/var/cache/{cache}", "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
    binds = {tmp_path / "state": state, tmp_path / "cache": f"/var/cache/{cache}"}
    program, *words = shlex.split(start)
    assert program == "/opt/ringfence/.venv/bin/ringfence"
    command = [str(BIN / "ringfence"), *words[:-1], "0"]
    assert words[-2:] == ["--port", "8000"]
    run = Run(environment, binds, strict=True)
    serve_twice(run, command, tmp_path / "state", tmp_path / "cache")


def container_starts_it(tmp_path):
    found, environment = dockerfile(block("dockerfile"))
    assert found["USER"] == str(sandbox.USER)
    environment |= {"RINGFENCE_SERVE_PORT": "0", "HOME": "/nonexistent", "PATH": f"{BIN}:/usr/bin:/bin"}
    run = Run(environment, {tmp_path / "data": found["VOLUME"]}, strict=False)
    cache = tmp_path / "data" / "cache"
    all_but_one_kernel(tmp_path / "cache", cache / "ringfence")
    serve_twice(run, in_a_list(found["CMD"]), tmp_path / "data", cache)


def all_but_one_kernel(compiled, cache):
    """Fill a cache with what another place has compiled, so that the first start compiles a little only."""
    shutil.copytree(compiled, cache, ignore=shutil.ignore_patterns("*forget_expired*"))
    for place in (cache.parent, cache, *cache.rglob("*")):
        os.chown(place, sandbox.USER, sandbox.USER)


def test_the_systemd_unit_and_the_container_start_decide_and_stop_in_order(tmp_path):
    """One after the other: the unit compiles everything, the container what is missing."""
    systemd_starts_it(tmp_path)
    container_starts_it(tmp_path)


MODEL = {
    "age": 41, "gender_code": 1, "subscription_type_code": 0, "income_bracket_code": 2, "location": 17,
    "tenure_months": 30, "event_created_at_ts": 1709288100, "transaction_value": 129.5, "channel_code": 1,
}  # fmt: skip


def test_the_model_container_answers_as_sagemaker_starts_it(tmp_path):
    """The image's environment and entry point, the stack's variables, and the artifact, unpacked."""
    found, environment = dockerfile((ROOT / "deploy/aws/model.Dockerfile").read_text())
    stack = json.loads((ROOT / "deploy/aws/snapshots/RingfenceModel.json").read_text())
    (served,) = (one for one in stack["Resources"].values() if one["Type"] == "AWS::SageMaker::Model")
    environment |= served["Properties"]["PrimaryContainer"]["Environment"]
    environment |= {"SAGEMAKER_BIND_TO_PORT": "0", "PATH": f"{BIN}:/usr/bin:/bin"}
    packed, artifact = tmp_path / "model.tar.gz", tmp_path / "model"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(ROOT / "examples/sample-model", ".")
    run = Run(environment, {artifact: "/opt/ml/model"}, strict=False)
    with tarfile.open(packed) as archive:
        archive.extractall(artifact, filter="data")
    process, url, _ = run.serve([str(BIN / "ringfence"), *in_a_list(found["ENTRYPOINT"])[1:], "serve"])
    try:
        assert in_a_list(found["CMD"]) == ["serve"]
        assert httpx.get(f"{url.removesuffix('/invocations')}/ping", timeout=60).status_code == 200
        answer = httpx.post(f"{url.removesuffix('/invocations')}/invocations", json=MODEL, timeout=60)
        assert answer.status_code == 200, answer.text
        assert 0 <= answer.json()["fraud_probability"] <= 1
    finally:
        process.send_signal(signal.SIGTERM)
        _, last = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGTERM), last
