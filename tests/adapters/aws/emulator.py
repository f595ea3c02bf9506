"""An emulator of AWS within the machine: moto's server, one for each test process."""

import logging
from functools import cache

from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@cache
def address() -> str:
    """Where it answers."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def environment(monkeypatch) -> None:
    """Have boto3 ask it, with credentials that open nothing else."""
    for name, value in {
        "AWS_ENDPOINT_URL": address(),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
