"""The user's document and its rows belong together: no sentence is left out, and each row runs a test."""

import ast
import re
from pathlib import Path

import pytest

from tests.e2e.document import NotRun, Rows, sentences
from tests.e2e.document_rows_calls import CALLS
from tests.e2e.document_rows_house import HOUSE
from tests.e2e.gateway import ROOT

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


def test_what_is_not_built_is_marked_by_waits_for_alone() -> None:
    """The mark takes an assertion alone for an expected failure, and each names what it waits for."""
    for path in FILES:
        marks = [ast.unparse(mark) for function in functions(path) for mark in function.decorator_list]
        assert not any("xfail" in mark for mark in marks), f"{path.name}: waits_for is the mark"
