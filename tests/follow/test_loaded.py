"""What the processes beside a server do not load: each has its own copy of it, at every start."""

import subprocess
import sys

import pytest

from ringfence.compose.messaging.notifiers import notifiers
from ringfence.settings import Settings


def loaded(program):
    """Packages that a process has loaded after a program."""
    told = f"{program}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "ringfence.api.hot.decoding_apart",
        "ringfence.compose.deciding.checking_apart",
        "ringfence.compose.folder.inquiring_apart",
    ],
)
def test_a_process_that_answers_leaves_out_what_libraries_load_for_others(module):
    program = f"from ringfence.compose.apart import main_of; main_of({module!r})"
    assert not loaded(program) & {"pandas", "scipy", "cffi"}


def test_who_carries_messages_loads_no_library_of_a_place_that_is_not_set_up():
    program = (
        "from ringfence.compose.messaging.notifiers import notifiers; "
        "from ringfence.settings import Settings; found = notifiers(Settings())"
    )
    assert not loaded(program) & {"boto3", "slack_sdk", "aiosmtplib"}


def test_the_followers_load_no_client_of_http():
    assert "httpx" not in loaded("import ringfence.compose.following.followers")


def test_places_on_aws_are_there_without_the_library_being_loaded():
    assert {"sns", "sqs", "eventbridge"} <= set(notifiers(Settings()))
