"""Checks that all that a user installs may be used by anybody; prints what may not, or tells no licence.

Reads the metadata of the distributions that `ringfence` and its extras need, as they are installed here.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PERMISSIVE = re.compile(
    r"MIT|MIT-0|BSD|[023]?-?CLAUSE|BSD-[23]-CLAUSE|0BSD|APACHE|APACHE-2\.0|ISC|PSF|PSF-2\.0|ZLIB|CC0-1\.0|HPND|"
    r"UNLICENSE|LLVM-EXCEPTION|PYTHON"
)
LIBRARIES = {"certifi", "tqdm", "pathspec", "psycopg", "psycopg-binary"}
"""MPL and LGPL: used as they are, as separate files, which these licences allow anybody."""

_WEAK = re.compile(r"MPL|MOZILLA|LGPL|LESSER")
_STRONG = re.compile(
    r"\bA?GPL|GNU (AFFERO )?GENERAL|SSPL|BUSL|BUSINESS SOURCE|COMMONS CLAUSE|PROPRIETARY", re.IGNORECASE
)


def needed(name: str = "ringfence") -> dict[str, metadata.Distribution]:
    """By name, the distributions that one needs with all of its own extras, as far as they are installed."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(name, frozenset(metadata.distribution(name).metadata.get_all("Provides-Extra") or ()))]
    seen = set()
    while waiting:
        which = waiting.pop()
        if which in seen:
            continue
        seen.add(which)
        try:
            distribution = metadata.distribution(which[0])
        except metadata.PackageNotFoundError:
            continue  # of another system
        found[canonicalize_name(which[0])] = distribution
        for text in distribution.requires or ():
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *which[1])):
                waiting.append((canonicalize_name(one.name), frozenset(one.extras)))
    return found


def licence_of(told: metadata.PackageMetadata) -> str:
    """What a distribution says of its licence, on one line; empty where it says nothing."""
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier") or ()
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    first = (told.get("License") or "").partition("\n")[0]
    return told.get("License-Expression") or ", ".join(classifiers) or first


def faults(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A sentence for each name whose licence is no permissive one."""
    for name, licence in found:
        if not licence:
            yield f"{name} tells no licence"
        elif _STRONG.search(licence) or (_WEAK.search(licence.upper()) and name not in LIBRARIES):
            yield f"{name} may not be used by everybody: {licence}"
        elif not PERMISSIVE.search(licence.upper()) and name not in LIBRARIES:
            yield f"{name} has a licence that nobody has looked at yet: {licence}"


def main() -> int:
    """1 where something is wrong."""
    found = {name: licence_of(one.metadata) for name, one in sorted(needed().items())}
    wrong = list(faults(found.items()))
    for sentence in wrong:
        print(sentence)
    print(f"{len(found)} distributions, {len(wrong)} whose licence is in question.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
