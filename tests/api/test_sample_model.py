"""The model that comes with the project, served as a container would."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ringfence.adapters.artifacts import load_local, read_folder
from ringfence.api.model_host.service import ModelService

from .test_model_service import PAYMENT

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "sample-model"


def test_it_is_small_and_takes_payments():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 300_000
    assert ModelService(load_local(read_folder(FOLDER))).takes_payments


def test_its_script_makes_a_model_that_says_the_same(tmp_path):
    """Not the same bytes: processors and versions round differently, and a tie may split elsewhere."""
    script = runpy.run_path(str(ROOT / "scripts" / "train_sample_model.py"))
    for name, content in script["trained"]().items():
        (tmp_path / name).write_bytes(content)
    kept, made = (read_folder(folder) for folder in (FOLDER, tmp_path))
    floating = {"files", "versions", "calibration"}
    assert {k: v for k, v in msgspec.structs.asdict(kept.manifest).items() if k not in floating} == {
        k: v for k, v in msgspec.structs.asdict(made.manifest).items() if k not in floating
    }
    inputs, fraud, _ = script["payments"]()
    inputs, fraud = inputs[-9_000:], fraud[-9_000:]
    before, after = (load_local(artifact).score(inputs) for artifact in (kept, made))
    assert np.abs(np.log(after / before)).mean() < 0.05
    assert average_precision_score(fraud, after) == pytest.approx(
        average_precision_score(fraud, before), rel=0.02
    )


def test_a_container_answers_and_ends_when_told():
    command = [sys.executable, "-c", "from ringfence.cli import main; main()", "model", "serve", str(FOLDER)]
    environment = os.environ | {"THRESHOLD": "0.001"}
    with subprocess.Popen(
        [*command, "--port", "0"], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        said = ""
        while "answers at" not in said:
            said = process.stderr.readline()
        url = re.search(r"http://[\d.]+:\d+", said)[0]
        try:
            assert httpx.get(f"{url}/ping").status_code == 200
            risky = PAYMENT | {
                "transaction_value": 5000,
                "tenure_months": 0,
                "event_created_at_ts": 1_704_074_400,
            }
            likely, unlikely = (httpx.post(f"{url}/invocations", json=one).json() for one in (risky, PAYMENT))
            assert likely["fraud_flag"]
            assert likely["fraud_probability"] > 10 * unlikely["fraud_probability"]
            assert httpx.post(f"{url}/invocations", content=json.dumps([])).status_code == 422
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
