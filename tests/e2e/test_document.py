"""The user's document and its rows belong together: no sentence is left out, and each row runs a test."""

import ast
import re
from pathlib import Path

import pytest

from tests.e2e.document import NotRun, Rows, sentences
from tests.e2e.document_rows_calls import CALLS
from tests.e2e.document_rows_house import HOUSE
from tests.e2e.gateway import ROOT
from tests.test_house import tracked

ROWS: Rows = {**CALLS, **HOUSE}
FILES = sorted([*ROOT.glob("tests/e2e/test_seed*.py"), *ROOT.glob("tests/system/**/test_document*.py")])
LOOKS_ONLY = re.compile(r"\.(is_file|is_dir|exists)\(\)")


def functions(path: Path) -> list[ast.FunctionDef]:
    return [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def named(rows: Rows) -> set[str]:
    return {
        name for of in rows.values() for row in of.values() if not isinstance(row, NotRun) for name in row
    }


def test_the_document_is_cut_into_its_sentences() -> None:
    cut = sentences()
    assert "Only LiteLLM can communicate with it." in cut["Network Isolation"]
    assert "4b. Local Model Route" in cut["How It Works: Request Flow"]
    assert "• Rate Limiting" in cut["Architecture Overview"]
    assert "docker compose restart litellm" in cut["Available Models"]
    assert sum(len(of) for of in cut.values()) > 150


@pytest.mark.parametrize("heading", sentences())
def test_every_sentence_names_its_rows_or_why_it_cannot_be_run(heading: str) -> None:
    assert tuple(ROWS[heading]) == sentences()[heading]
    for sentence, row in ROWS[heading].items():
        assert row.reason if isinstance(row, NotRun) else row, sentence


def test_every_row_that_is_named_exists_once_and_every_row_is_named() -> None:
    rows = [function.name for path in FILES for function in functions(path)]
    assert len(set(rows)) == len(rows)
    assert named(ROWS) - set(rows) == set(), "named, and not there"
    assert set(rows) - named(ROWS) == set(), "there, and named by no sentence"


def test_the_sections_are_those_of_the_document_in_its_order() -> None:
    assert list(ROWS) == list(sentences())


def test_no_row_only_looks_whether_something_is_there() -> None:
    found = [
        function.name
        for path in FILES
        for function in functions(path)
        if LOOKS_ONLY.search(ast.unparse(function))
    ]
    assert found == []


def expected_failures(text: str) -> list[int]:
    """Lines of a test file that mark a test as one that fails."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr == "xfail")
        or (isinstance(node, ast.Name) and node.id == "xfail")
        or (isinstance(node, ast.alias) and node.name == "xfail")
    ]


def test_no_test_is_expected_to_fail() -> None:
    """Everything that the document says is built, and nothing that a test says is taken back by a mark."""
    found = {
        name: lines
        for name in tracked()
        if name.startswith("tests/") and name.endswith(".py")
        if (lines := expected_failures((ROOT / name).read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "code", ["@pytest.mark.xfail\ndef test(): ...", "pytest.xfail('x')", "from pytest import xfail"]
)
def test_the_search_for_expected_failures_finds_them(code: str) -> None:
    assert expected_failures(code) == [1]
