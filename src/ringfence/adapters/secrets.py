"""Where secrets are kept: the environment, files, and Secrets Manager; `secret://PLACE/NAME` says which.

secret://env/SLACK_TOKEN                     a variable of the environment
secret://file/run/secrets/slack              a file, by its whole path
secret://aws/ringfence/slack#token           a secret of Secrets Manager, or one key of its JSON
secret://aws/arn:aws:secretsmanager:…#password
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.errors import InputError, StoreError
from ringfence.ports.secrets import FixedSecret, KeptSecret, named_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.ports.secrets import Secrets, SecretValue

_SECONDS: Final = 2.0  # of each of two attempts: somebody waits
_MOST_BYTES: Final = 65_536  # of a secret of Secrets Manager


class EnvironmentSecrets:
    """`Secrets` in variables of the environment."""

    def read(self, name: str) -> str:
        """See `Secrets.read`."""
        found = os.environ.get(name)
        if not found:
            raise StoreError(f"secret://env/{name}: the environment has no such variable, or it is empty")
        return found


class FileSecrets:
    """`Secrets` in files, each the whole of its file but for a line break at the end."""

    def read(self, name: str) -> str:
        """See `Secrets.read`; `name` is a path."""
        try:
            with Path(name).open("rb") as file:
                raw = file.read(_MOST_BYTES + 1)
            text = raw.decode().rstrip("\r\n")
        except OSError as error:
            raise StoreError(f"secret://file{name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise StoreError(f"secret://file{name} is no text") from None
        if not text or len(raw) > _MOST_BYTES:
            raise StoreError(f"secret://file{name} is {'empty' if not text else 'too long for a secret'}")
        return text


class SecretsManager:
    """`Secrets` of AWS Secrets Manager: `NAME`, or `NAME#KEY` for a key of the JSON that it holds."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """`client` makes boto3's of `secretsmanager`, when it is needed first."""
        self._make = client
        self._client: Any = None

    def read(self, name: str) -> str:
        """See `Secrets.read`."""
        from ringfence.adapters.aws.clients import explained  # noqa: PLC0415 (an extra)

        secret_id, _, key = name.partition("#")
        told = f"secret://aws/{name}"
        if self._client is None:
            self._client = self._make()
        with explained(told):
            found = self._client.get_secret_value(SecretId=secret_id)
        text = found.get("SecretString")
        if text is None:
            raise StoreError(f"{told} holds bytes and no text")
        if not key:
            return str(text)
        try:
            value = msgspec.json.decode(text, type=dict[str, str | int]).get(key)
        except msgspec.DecodeError:
            raise StoreError(f"{told}: the secret is no JSON object of texts") from None
        if value in (None, ""):
            raise StoreError(f"{told}: the secret has no such key")
        return str(value)


def secret_of(
    text: str, now: Callable[[], float] = time.monotonic, stale_seconds: float = inf
) -> SecretValue:
    """The secret that a setting holds, or that it names as `secret://…`; `InputError` where it names none.

    Nothing is asked yet; `stale_seconds` as of `KeptSecret`.
    """
    named = named_place(text)
    if named is None:
        return FixedSecret(text)
    place, name = named
    secrets: Secrets
    if place == "env":
        secrets = EnvironmentSecrets()
    elif place == "file":
        secrets, name = FileSecrets(), f"/{name}"
    else:
        if find_spec("boto3") is None:
            raise InputError("Secrets Manager needs one more library: pip install 'ringfence[aws]'")
        secrets = SecretsManager(lambda: _client(name))
    return KeptSecret(secrets, name, now, stale_seconds)


def _client(name: str) -> Any:
    from ringfence.adapters.aws.clients import aws_client  # noqa: PLC0415 (an extra)

    region = name.split(":")[3] if name.startswith("arn:") and name.count(":") > 5 else None
    return aws_client("secretsmanager", tries=2, region=region, seconds=_SECONDS)
