"""What `make check` says of links, and what the site's menu has."""

import re
import runpy
import tomllib

import pytest

from .pages import PAGES, ROOT, name_of

CHECK = runpy.run_path(str(ROOT / "scripts" / "check_links.py"))


def said(root):
    return list(CHECK["faults"](CHECK["pages"](root), root))


@pytest.fixture
def root(tmp_path):
    """A project of two pages that are right."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(
        "# A\n\n[one](docs/b.md#what-it-is) [host](https://example.com/nowhere)\n"
    )
    (tmp_path / "docs" / "b.md").write_text(
        "# B\n\n## What *it* is\n\n[up](#b) `[no](link.md)`\n\n```\n[no](link.md)\n```\n"
    )
    return tmp_path


def test_links_that_lead_somewhere_are_passed_over(root):
    """So are links to other hosts, and what only looks like a link in code."""
    assert said(root) == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("gone.md", "no such file"),
        ("b.md#nothing", "what-it-is"),
        ("#nothing", "no heading"),
        ("../README.md", "leaves docs/"),
    ],
)
def test_a_link_that_leads_nowhere_is_told_with_its_line_and_its_remedy(root, link, fault):
    page = root / "docs" / "b.md"
    page.write_text(page.read_text() + f"\nSee [this]({link}).\n")
    CHECK["_anchors"].cache_clear()
    (told,) = said(root)
    assert told.startswith(f"docs/b.md:11: ({link})")
    assert fault in told


def test_a_picture_is_looked_for_in_both_schemes(root):
    page = root / "docs" / "b.md"
    (root / "docs" / "a.png").touch()
    page.write_text(page.read_text() + '\n<picture><source srcset="a-dark.png"><img src="a.png"></picture>\n')
    (told,) = said(root)
    assert told.startswith("docs/b.md:11: (a-dark.png)")


def test_a_heading_of_which_the_two_sites_make_different_anchors_cannot_be_linked(root):
    """GitHub keeps each blank of `A – B`, the built site one."""
    (root / "docs" / "c.md").write_text("# A – B\n\n[here](#a--b) [there](#a-b)\n")
    assert len(said(root)) == 2


def test_the_menu_has_every_page_and_no_other():
    """Decision records are reached by their index."""
    menu = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    assert set(places(menu)) == {page for page in pages if not page.startswith("decisions/0")}


def places(menu):
    for entry in menu:
        for inner in entry.values():
            yield from places(inner) if isinstance(inner, list) else [inner]


def test_a_file_of_ours_that_a_page_names_is_where_the_page_says():
    """A path may begin at any folder: `api/front.py` is `src/ringfence/api/front.py`."""
    kept = ("src", "tests", "benchmarks", "scripts", "examples", "flink", "deploy")
    files = [f"/{path.relative_to(ROOT)}" for folder in kept for path in (ROOT / folder).rglob("*.py")]
    moved = {
        (name_of(page), name)
        for page in [*PAGES, ROOT / "CONTRIBUTING.md"]
        for name in re.findall(r"`([\w./-]+\.py)`", page.read_text("utf-8"))
        if not any(path.endswith(f"/{name}") for path in files)
    }
    assert moved == set()
