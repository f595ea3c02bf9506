"""Questions to a log as a process: see `ringfence.compose.apart`.

Each message is an `Inquiry`, which it answers within so many seconds; the first one is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.compose.answering import messages
from ringfence.compose.folder.inquiries import InquiriesHere, answered
from ringfence.compose.folder.store import open_store

if TYPE_CHECKING:
    from pathlib import Path


def main(folder: Path, seconds: float) -> None:
    """Answer until nobody asks any more. Another process writes to the store in `folder`."""
    with messages() as asked:
        asked.take()
        with open_store(folder, read_only=True) as store:
            here = InquiriesHere(store)
            asked.answer_all(lambda message: answered(message, here), seconds)
