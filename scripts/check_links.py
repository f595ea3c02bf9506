"""Checks that every link of the project's pages leads somewhere, its anchor included; prints what does not.

Nothing is fetched: links to other hosts are left alone. An anchor has to be a heading's both on GitHub and in
the built site, which make it from the heading's words in slightly different ways.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|\bsrc(?:set)?=\"([^\"]+)\""
)  # and pictures, one for each scheme
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)


def pages(root: Path = ROOT) -> list[Path]:
    """Every page that somebody reads: those of the root, of `docs`, of the examples and of `.github`."""
    folders = ("docs", "examples", ".github")
    return [
        *sorted(root.glob("*.md")),
        *(page for name in folders for page in sorted((root / name).rglob("*.md"))),
    ]


def faults(found: list[Path], root: Path = ROOT) -> Iterator[str]:
    """A sentence for each link that leads nowhere."""
    for page in found:
        text = _FENCED.sub(lambda block: "\n" * block.group().count("\n"), page.read_text("utf-8"))
        for link in _LINK.finditer(_CODE.sub(lambda code: "`" * len(code.group()), text)):
            target = link.group(1) or link.group(2)
            if not _ELSEWHERE.match(target) and (fault := _fault(page, target, root)):
                line = text.count("\n", 0, link.start()) + 1
                yield f"{page.relative_to(root)}:{line}: ({target}) {fault}"


def _fault(page: Path, target: str, root: Path) -> str:
    name, _, anchor = target.partition("#")
    leads_to = (page.parent / unquote(name)).resolve() if name else page.resolve()
    docs = (root / "docs").resolve()
    if not leads_to.exists():
        return "there is no such file"
    if page.resolve().is_relative_to(docs) and not (leads_to.is_relative_to(docs) and leads_to.is_file()):
        return "leaves docs/, which is all that the built site has: name the file in `code` instead"
    if anchor and leads_to.suffix == ".md" and unquote(anchor) not in _anchors(leads_to):
        return f"no heading there makes this anchor; there are: {', '.join(sorted(_anchors(leads_to)))}"
    return ""


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Anchors that GitHub and the site both make."""
    words = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        for heading in _HEADING.findall(_FENCED.sub("", page.read_text("utf-8")))
    ]
    return frozenset(_numbered(map(_on_github, words), "-")) & frozenset(
        _numbered(map(_on_the_site, words), "_")
    )


def _on_github(words: str) -> str:
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def _on_the_site(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def _numbered(anchors: Iterator[str], sign: str) -> Iterator[str]:
    """A heading's words that come again get a number."""
    seen: dict[str, int] = {}
    for anchor in anchors:
        times = seen[anchor] = seen.get(anchor, -1) + 1
        yield f"{anchor}{sign}{times}" if times else anchor


def main() -> int:
    """1 where a link leads nowhere."""
    found = list(faults(pages()))
    print("\n".join(found) or "Every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
