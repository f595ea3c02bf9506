"""Pictures of the documentation: each page of the dashboard in both colour schemes, shown in the reader's."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SHOWN = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">'
    r'<img alt="([^"]+)" src="([^"]+)"></picture>'
)
MOST_BYTES = 3_500_000


def shown():
    """Light and dark picture of each place where a page shows one."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        for dark, alt, light in SHOWN.findall(page.read_text()):
            yield page.parent / light, page.parent / dark, alt


def test_every_picture_is_shown_in_the_scheme_of_the_reader():
    pairs = list(shown())
    assert pairs
    for light, dark, alt in pairs:
        assert (dark.name, bool(alt.strip())) == (f"{light.stem}-dark.png", True)
    names = {path.resolve() for light, dark, _ in pairs for path in (light, dark)}
    assert names == set(IMAGES.iterdir())


def test_no_page_shows_a_picture_in_one_scheme_alone():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        assert not re.search(r"!\[[^\]]*\]\([^)]*images/", page.read_text()), page


def test_pictures_stay_small():
    """The repository keeps every version of them."""
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < MOST_BYTES
