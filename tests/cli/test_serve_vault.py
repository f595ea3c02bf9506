"""`ringfence serve` where personal data goes to a vault: it answers, and batches hand originals over."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import payment

RINGFENCE = str(Path(sys.executable).with_name("ringfence"))

pytestmark = pytest.mark.slow  # starts a server


def test_it_answers_and_what_comes_in_a_batch_is_found_and_forgotten(project):
    (project / "ringfence.toml").write_text('personal_data = "vault"\nvault_key = "keys.json"\n')
    subprocess.run([RINGFENCE, "privacy", "init"], cwd=project, check=True)
    environment = os.environ | {
        "RINGFENCE_SERVE_FOLLOW": "false",
        "RINGFENCE_SERVE_CORS_ORIGINS": '["https://bank.example"]',
    }
    command = [RINGFENCE, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            url = next(found[1] for line in server.stderr if (found := re.search(r"Deciding at (\S+)", line)))
            with httpx.Client(base_url=url, timeout=60) as http:
                assert http.get("/healthz").status_code == 200
                one = payment(1, customer_id="CUST-ONE", email="one@mail.example")
                assert http.post("/v1/decisions", json=one).status_code == 200
                many = [payment(n, customer_id="CUST-MANY", email="many@mail.example") for n in range(2, 102)]
                body = "\n".join(map(json.dumps, many))
                kind = {"content-type": "application/x-ndjson"}
                told = http.post("/v1/decisions/batch", content=body, headers=kind)
                assert [json.loads(line)["status"] for line in told.text.splitlines()] == [200] * 100
                asked = http.get(
                    "/v1/decisions", params={"entity": "email", "entity_id": "Many@mail.example"}
                )
                assert asked.status_code == 200
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.stderr.read()
    assert server.wait(60) == 0, said
    assert "Traceback" not in said
    for person in ("CUST-ONE", "CUST-MANY"):
        out = project / f"{person}.json"
        subprocess.run([RINGFENCE, "privacy", "export", person, "--out", str(out)], cwd=project, check=True)
        assert person.removeprefix("CUST-").lower() + "@mail.example" in out.read_text()
    held = b"".join(path.read_bytes() for path in (project / "ringfence-data").rglob("*") if path.is_file())
    assert b"mail.example" not in held
