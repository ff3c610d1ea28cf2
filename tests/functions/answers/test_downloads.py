"""A file in which no spreadsheet, whatever language it speaks, finds a formula to run."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest

from functions.answers.downloads import exported

BEGINS = ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    text: str | None = None
    data: dict[str, str] | None = None
    count: int = 0
    cost: Decimal = Decimal(0)


def written(*lines: Line) -> bytes:
    async def others() -> AsyncIterator[Line]:
        for line in lines[1:]:
            yield line

    async def run() -> bytes:
        file = exported(lines[0], others(), kind=Line, name="x", format="csv")
        return b"".join([piece async for piece in file.pieces()])

    return asyncio.run(run())


def cells_of(text: str, delimiter: str) -> list[str]:
    """The cells as a spreadsheet with that separator sees them: quotes count at a cell's beginning alone."""
    file = written(Line(text=text)).decode()
    return [cell for row in csv.reader(io.StringIO(file), delimiter=delimiter) for cell in row]


UNSEEN = ' "\t\r\n\0\ufeff\u200b\u2060\u00ad\u200e'
FORMULAS = [
    f"{before}{begins}cmd|' /C calc'!A0"
    for begins in BEGINS
    for before in (
        "",
        " ",
        "x;",
        "x; ",
        'x;"',
        "x\t",
        "x\n",
        "x\r\n",
        "x|",
        ";",
        "a;b;",
        '";',
        "\t",
        "\r",
        "  ",
        " " * 9,
        "\ufeff",
        "\u200b",
        "\u2060\u00ad",
        "\0",
        "x;" + " " * 40,
        "x;\u200b\ufeff",
        "x;\0",
        "x;\n\u200e;",
    )
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_with_a_formula_whatever_separates_cells(text: str, delimiter: str) -> None:
    for cell in cells_of(text, delimiter):
        assert not cell.strip(UNSEEN).startswith(tuple(BEGINS)), (text, cell)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_inside_a_mapping_begins_a_formula(text: str) -> None:
    file = written(Line(data={"user": text, text: "x"})).decode()
    for delimiter in ",;\t|":
        for row in csv.reader(io.StringIO(file), delimiter=delimiter):
            assert not any(cell.strip(' "\t\r\n').startswith(tuple(BEGINS)) for cell in row), row


@pytest.mark.parametrize(
    "text",
    ["plain", "a, -5 and +3", "a=b;c=d", "5;6", 'say "no"; it\'s fine', "gpt-4o", "2026-11-30T12:00:01Z"],
)
def test_an_innocent_text_stays_as_it_is(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(written(Line(text=text)).decode()))
    assert row["text"] == text


def test_numbers_are_written_as_numbers() -> None:
    (row,) = csv.DictReader(io.StringIO(written(Line(cost=Decimal("-1E-9"), count=7)).decode()))
    assert (row["cost"], row["count"], row["text"]) == ("-0.000000001", "7", "")
