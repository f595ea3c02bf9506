"""Links in the forms that other programs read."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ringfence.features.links import Graph
    from ringfence.graph.rings import Pair

_KEYS = (
    ("link", "string"),
    ("first_ms", "long"),
    ("last_ms", "long"),
    ("count", "long"),
    ("amount", "double"),
)


def csv_of(pairs: Iterable[Pair], graph: Graph) -> Iterator[str]:
    """Lines of CSV, one for each pair; a cell that a spreadsheet would run as a formula begins with '."""
    yield "link,source_kind,source,target_kind,target,first_ms,last_ms,count,amount\r\n"
    for pair in pairs:
        line = io.StringIO()
        ends = [part for node in (pair.source, pair.target) for part in (node.kind, _inert(node.id))]
        facts = (pair.first_ms, pair.last_ms, pair.count, pair.amount / 1000)
        csv.writer(line).writerow([graph.links[pair.link].title, *ends, *facts])
        yield line.getvalue()


def _inert(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def graphml_of(pairs: Iterable[Pair], graph: Graph) -> Iterator[str]:
    """Text of a GraphML document; ids of nodes are kind and id."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    yield '<key id="kind" for="node" attr.name="kind" attr.type="string"/>\n'
    yield '<key id="label" for="node" attr.name="label" attr.type="string"/>\n'
    for name, kind in _KEYS:
        yield f'<key id="{name}" for="edge" attr.name="{name}" attr.type="{kind}"/>\n'
    yield '<graph edgedefault="directed">\n'
    seen = set()
    for pair in pairs:
        for node in (pair.source, pair.target):
            if node not in seen:
                seen.add(node)
                yield (
                    f"<node id={_attribute(f'{node.kind}:{node.id}')}>"
                    f'<data key="kind">{escape(node.kind)}</data>'
                    f'<data key="label">{_text(node.id)}</data></node>\n'
                )
        ends = [_attribute(f"{node.kind}:{node.id}") for node in (pair.source, pair.target)]
        values = (graph.links[pair.link].title, pair.first_ms, pair.last_ms, pair.count, pair.amount / 1000)
        data = "".join(
            f'<data key="{name}">{escape(str(value))}</data>'
            for (name, _), value in zip(_KEYS, values, strict=True)
        )
        yield f"<edge source={ends[0]} target={ends[1]}>{data}</edge>\n"
    yield "</graph>\n</graphml>\n"


def _text(text: str) -> str:
    """XML has no way to write control characters: each becomes the sign for one that is missing."""
    return escape("".join(one if one >= " " and one not in "\ufffe\uffff" else "\ufffd" for one in text))


def _attribute(text: str) -> str:
    return quoteattr("".join(one if one >= " " and one not in "\ufffe\uffff" else "\ufffd" for one in text))
