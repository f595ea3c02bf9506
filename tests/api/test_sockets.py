"""Where a server listens: what cannot be had is told with the remedy, and leaves nothing behind."""

import resource
import socket
import subprocess
from contextlib import ExitStack

import httpx
import pytest
from benchmarks.serving import ALONE, RINGFENCE, Process

from ringfence.api.http.sockets import bound, listen, make_room, room
from ringfence.errors import InputError

from .conftest import payment


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_taken_port_is_told_with_the_remedy(taken):
    with (
        pytest.raises(InputError, match=f"port {taken} of 127.0.0.1 is taken .* --port"),
        bound("127.0.0.1", taken),
    ):
        pass


def test_of_two_that_start_at_once_the_slower_one_is_told():
    with bound("127.0.0.1", 0) as first:
        port = first[0].getsockname()[1]
        with bound("127.0.0.1", port) as second:
            listen(first, 5)
            with pytest.raises(InputError, match="taken"):
                listen(second, 5)


@pytest.mark.parametrize("host", ["192.0.2.1", "a host", "x" * 300])
def test_an_address_of_another_machine_is_told(host):
    with pytest.raises(InputError, match="no address of this machine"), bound(host, 0):
        pass


def test_every_address_of_a_host_gets_the_same_free_port():
    with bound("localhost", 0) as sockets:
        assert len({one.getsockname()[1] for one in sockets}) == 1


@pytest.mark.parametrize("allowed", [64, 256, 1024, 4096, 65536])
def test_whatever_connects_or_waits_leaves_descriptors_for_files(allowed):
    fits = room(4096, allowed, in_use=40)
    assert fits.connections >= 8
    assert fits.connections + fits.backlog + 40 <= max(allowed - 256, 40 + 16)


def test_the_limit_of_descriptors_is_raised_as_far_as_it_may_be():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        make_room(600)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def failed(tmp_path, *options):
    found = subprocess.run(
        [RINGFENCE, "serve", *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert list(tmp_path.iterdir()) == []
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    return found.stderr


def test_a_server_that_cannot_start_says_why_and_makes_no_files(tmp_path, taken):
    assert "is taken by another program" in failed(tmp_path, "--port", str(taken))
    assert "keys create" in failed(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert "no address of this machine" in failed(tmp_path, "--host", "192.0.2.1")
    assert "missing.yaml" in failed(tmp_path, "--port", "0", "--rules", "missing.yaml")


def test_connections_beyond_the_descriptors_cost_strangers_their_place_and_callers_nothing(tmp_path):
    """With few descriptors and four times as many silent connections, payments are still decided."""
    limit = (320, 320)
    process = Process(
        tmp_path / "few", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit), **ALONE
    )
    host, port = process.url.removeprefix("http://").split(":")
    with ExitStack() as silent:
        for _ in range(150):
            silent.enter_context(socket.create_connection((host, int(port)), timeout=20))
        with httpx.Client(base_url=process.url, timeout=60) as http:
            for number in range(20):
                answer = http.post("/v1/decisions", json=payment(f"few-{number}"))
                assert answer.status_code == 200
            assert 'ringfence_closed_connections_total{limit="evicted"}' in http.get("/metrics").text
    assert process.end() == 0
