"""What is used of a library beyond its public names: one file knows it, for versions that somebody read."""

import ast
import inspect
import re
import tomllib
from importlib.metadata import version
from typing import NamedTuple

import pytest
import sqlglot
from numba.core import cgutils, compiler, typed_passes
from numba.cpython import slicing
from numba.np import arrayobj
from uvicorn.protocols.http import httptools_impl

from ringfence.api.http.wire import Wire

from .pages import ROOT

SOURCE = ROOT / "src" / "ringfence"


class Inside(NamedTuple):
    """A library whose insides one file relies on."""

    file: str
    pattern: str
    """Of the modules that nobody else may import."""
    read: str
    """The version that was read, as far as its author keeps things within it."""
    bound: str
    """What `pyproject.toml` says."""
    compare: str
    """What to compare before another version is let in."""
    public: frozenset[str] = frozenset()
    """Files that use its public names alone."""


INSIDES = {
    "uvicorn": Inside(
        "api/http/wire.py",
        r"uvicorn\.protocols",
        "0.54",
        "uvicorn>=0.54.0,<0.55",
        "`uvicorn/protocols/http/httptools_impl.py` with each method that `Wire` overrides or calls",
    ),
    "httptools": Inside(
        "api/http/wire.py",
        r"httptools",
        "0.9",
        "httptools>=0.9.0,<0.10",
        "the callbacks of `HttpRequestParser`, and what it does after one of them raises",
        frozenset({"adapters/notifiers/receiver_connections.py"}),
    ),
    "numba": Inside(
        "features/kernel/numba_internals.py",
        r"numba\.(?!extending\b)\w+",
        "0.68",
        "numba>=0.68,<0.69",
        "`slicing.fix_index`, `DefaultPassBuilder.define_nopython_pipeline`, `cgutils.get_item_pointer`, the"
        " option `_nrt`; then run tests/features and `python -m benchmarks.engine`",
    ),
    "sqlglot": Inside(
        "scoring/language/syntax.py",
        r"sqlglot\.tokenizer_core",
        "30",
        "sqlglot>=30.30,<31",
        "the arguments of each expression in `_NODES`, and new tokens of the DuckDB dialect; then run"
        " tests/scoring",
    ),
}


@pytest.mark.parametrize("library", INSIDES)
def test_the_version_installed_is_one_that_was_read(library):
    inside = INSIDES[library]
    installed = version(library)
    assert installed.startswith(inside.read + "."), (
        f"{library} {installed} is installed; src/ringfence/{inside.file} knows the insides of {inside.read}."
        f" Compare {inside.compare}. Then raise the bound in pyproject.toml and the version in this test."
    )


@pytest.mark.parametrize("library", INSIDES)
def test_an_upper_bound_keeps_versions_out_that_nobody_read(library):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert INSIDES[library].bound in project["dependencies"]


@pytest.mark.parametrize("library", INSIDES)
def test_the_insides_of_a_library_are_known_to_one_file(library):
    inside = INSIDES[library]
    taken = re.compile(rf"^\s*(from|import) {inside.pattern}\b", re.MULTILINE)
    knowing = {
        path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if taken.search(path.read_text())
    }
    assert knowing - inside.public <= {inside.file}


def test_no_private_module_of_a_library_is_imported():
    """A module whose name begins with an underscore belongs to its library alone."""
    private = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if any(part.startswith("_") and part != "__future__" for part in name.split("."))
    ]
    assert private == []


def _imported(node):
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{one.name}" for one in node.names]
    return []


def test_uvicorns_protocol_has_what_a_connection_overrides():
    used = {"_start_asgi_task", "connection_made", "connection_lost", "on_message_begin", "on_header"}
    used |= {"on_headers_complete", "on_body", "on_message_complete", "on_response_complete"}
    assert used <= set(vars(httptools_impl.HttpToolsProtocol))
    assert issubclass(Wire, httptools_impl.HttpToolsProtocol)


def test_numba_asks_for_the_sign_of_an_index_where_it_is_left_out():
    """Numba looks `fix_index` up in its module each time: putting another there takes effect."""
    assert list(inspect.signature(slicing.fix_index).parameters) == ["builder", "idx", "size"]
    assert "slicing.fix_index(" in inspect.getsource(arrayobj) + inspect.getsource(slicing)


def test_numbas_pipeline_has_the_step_that_is_replaced():
    assert "NativeLowering" in inspect.getsource(compiler.DefaultPassBuilder)
    assert callable(typed_passes.NativeLowering.run_pass)
    assert list(inspect.signature(cgutils.get_item_pointer).parameters)[:5] == [
        *("context", "builder", "aryty", "ary", "inds")
    ]


def test_a_token_of_sqlglot_says_where_it_stands():
    """Errors of rules point at a character by it."""
    first, *_ = sqlglot.tokenize("amount > 5", read="duckdb")
    assert (first.token_type, first.text, first.start, first.end) == (sqlglot.TokenType.VAR, "amount", 0, 5)
