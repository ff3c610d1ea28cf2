"""Records as a file, read while it is sent: JSON lines, or CSV without a formula that a spreadsheet would
run."""

import csv
import io
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

import msgspec

from functions.contract.function import Download
from schema.wire import to_json

_BEGINS = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
"""Characters with which a formula begins in spreadsheets, some of them in full width as well (OWASP, "CSV
Injection")."""
_UNSEEN = '\\s"\\x00-\\x1f\\x7f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff'
"""Characters that spreadsheets skip before a formula: blanks, quotes, control characters, characters without
width."""
_LEADING = re.compile(rf"[\t\r\n]|[{_UNSEEN}]*+{_BEGINS}")
_BEHIND_A_SEPARATOR = re.compile(rf"([;|\t\r\n][;|{_UNSEEN}]*+)({_BEGINS}?+)")
"""The place where spreadsheets of other languages begin a new cell, with the formula's first character if
there is one. They separate cells by semicolons, and look for quotes only at a cell's beginning, so quoting
the whole cell does not help. A place without a formula fits as well, so that each character is looked at
once."""
MEDIA_TYPES = MappingProxyType({"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"})

R = TypeVar("R", bound=msgspec.Struct)


def exported(first: R | None, rest: AsyncIterator[R], *, kind: type[R], name: str, format: str) -> Download:
    """The records as a file in the `format` `jsonl` or `csv`. `first` was read before the file begins, so
    that an error could still get its status."""

    async def pieces() -> AsyncIterator[bytes]:
        write = _csv_line if format == "csv" else _json_line
        if format == "csv":
            yield _row([field.encode_name for field in msgspec.structs.fields(kind)])
        if first is not None:
            yield write(first)
        async for record in rest:
            yield write(record)

    return Download(media_type=MEDIA_TYPES[format], filename=f"{name}.{format}", pieces=pieces)


def _json_line(record: msgspec.Struct) -> bytes:
    return to_json(record) + b"\n"


def _csv_line(record: msgspec.Struct) -> bytes:
    return _row([_cell(value) for value in msgspec.structs.astuple(record)])


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"  # never 1E-9
    text = value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
    text = text.strip('"') if not isinstance(value, (str, dict)) else text
    text = _BEHIND_A_SEPARATOR.sub(_quoted, text)
    return f"'{text}" if _LEADING.match(text) else text


def _quoted(found: re.Match[str]) -> str:
    return f"{found[1]}'{found[2]}" if found[2] else found[0]


def _row(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
