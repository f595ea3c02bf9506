"""Questions to a log as a process: `python -m ringfence.compose.folder.inquiring_apart FOLDER SECONDS`.

Each message is an `Inquiry`, which it answers within so many seconds; the first one is empty.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ringfence.compose.answering import messages
from ringfence.compose.folder.inquiries import InquiriesHere, answered
from ringfence.compose.folder.store import open_store


def main(folder: Path, seconds: float) -> None:
    """Answer until nobody asks any more. Another process writes to the store in `folder`."""
    with messages() as asked:
        asked.take()
        with open_store(folder, read_only=True) as store:
            here = InquiriesHere(store)
            asked.answer_all(lambda message: answered(message, here), seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
