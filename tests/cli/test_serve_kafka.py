"""`ringfence serve --source kafka://...`: a real server beside a real broker, killed and started again."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.kafka import broker
from tests.waiting import until

from .conftest import payment

pytestmark = pytest.mark.slow


@contextmanager
def served(project, *sources):
    """The server's address, once it decides; killed at the end."""
    command = [Path(sys.executable).parent / "ringfence", "serve", "--port", "0"]
    for source in sources:
        command += ["--source", source]
    environment = os.environ | {"RINGFENCE_SERVE_FOLLOW": "false"}
    with (project / "said").open("w+") as said:
        running = subprocess.Popen(command, cwd=project, stderr=said, env=environment)
        try:
            yield (
                until(lambda: re.search(r"Deciding at (\S+)", (project / "said").read_text())).group(1),
                running,
            )
        finally:
            running.kill()
            running.wait()


def lines(first, count):
    return [json.dumps(payment(n)) for n in range(first, first + count)]


def ready(url):
    return httpx.get(f"{url}/readyz").json()


def test_a_server_decides_what_a_topic_holds_once_whatever_is_killed(project):
    kafka = broker()
    topic = kafka.topic(2)
    source = f"kafka://{kafka.address}/{topic}"
    kafka.send(topic, [*lines(0, 100), "no json"])
    with served(project, source) as (url, running):
        until(lambda: ready(url)["offset"] == 100)
        told = until(lambda: next((one for one in ready(url)["sources"] if one["quarantined"]), None))
        assert (told["name"], told["state"], told["lag_records"], told["parts"]) == (source, "reading", 0, 2)
        assert '"p7"' in httpx.get(f"{url}/v1/decisions/p7").text
        assert httpx.post(f"{url}/v1/decisions", json=payment(7)).status_code == 200
        assert ready(url)["offset"] == 100  # it was decided already
        figures = httpx.get(f"{url}/metrics").text
        assert f'ringfence_source_records_total{{source="{source}"}} 101.0' in figures
        kafka.send(topic, lines(100, 200))
        running.kill()
    with served(project, source) as (url, running):
        until(lambda: ready(url)["offset"] == 300)
        kafka.send(topic, lines(300, 20))
        until(lambda: ready(url)["offset"] == 320)
        assert httpx.post(f"{url}/v1/decisions", json=payment(330)).status_code == 200
        assert ready(url)["offset"] == 321
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert "hunter2" not in (project / "said").read_text()
