"""Checks of rule books as a process: see `ringfence.compose.apart`.

Its first message is the features as JSON; each further one is a `CheckQuestion`, which it answers within so
many seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ringfence.adapters.sqlite import Store
from ringfence.compose.answering import messages
from ringfence.compose.deciding.checks import CheckQuestion, ChecksHere, answered
from ringfence.compose.deciding.models import stored_models
from ringfence.features.spec import FeatureSpec

if TYPE_CHECKING:
    from pathlib import Path


def main(folder: Path, seconds: float) -> None:
    """Answer until nobody asks any more. Another process writes to the store in `folder`."""
    with messages() as asked:
        spec = FeatureSpec.from_json(asked.take().decode())
        with Store.open(folder, read_only=True) as store:
            checks = ChecksHere(store.log, spec, stored_models(store, spec))

            def answer(message: bytes) -> bytes:
                question = msgspec.msgpack.decode(message, type=CheckQuestion)
                return msgspec.msgpack.encode(answered(question, checks))

            asked.answer_all(answer, seconds)
