"""The page that defines the features names every kind, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ringfence.features.spec import FeatureKind

PAGE = (Path(__file__).parents[2] / "docs" / "concepts" / "features.md").read_text()


@pytest.mark.parametrize("kind", list(FeatureKind))
def test_the_page_defines_this_kind(kind):
    assert re.search(rf"^\| .*`{kind}[(`]", PAGE, re.MULTILINE)


def test_the_examples_of_the_page_run():
    names = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(example, "features.md", "exec"), names)
    assert names
