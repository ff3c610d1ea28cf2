"""Reads providers' cost exports: CSV in, what was billed by day and model out.

The header decides which export a file is: the first row of `formats.FORMATS` whose needed columns are all
there, in any order and case. A file is read line by line, within limits. Sums are kept in attodollars (1e-18
dollars), in which the price of one token is a whole number with all its digits. Each sum is rounded once, at
its end.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from models_registry.bills.formats import FORMATS, Format
from schema.errors.requests import InvalidRequest
from schema.usage import Usage

MAX_BYTES = 16 * 1024 * 1024
MAX_LINES = 200_000
MAX_DAYS = 400
MAX_GROUPS = 50_000
"""The most pairs of a day and a model. The ledger's side of a report has the same limit."""
FIRST_YEAR, LAST_YEAR = 2000, 2999
MAX_USD = Decimal(10**9)
ATTO_PER_NANO = 10**9
PARAM = "csv"

_UNIX = re.compile(r"[0-9]{9,11}")
_LINE_ITEM = re.compile(r"\s*,\s*")


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one model, as the provider has it. An empty `model`: the export does not say which model."""

    day: date
    model: str
    cost_nano: int = 0
    usage: Usage | None = None
    """What was used. None: the export has costs."""
    tolerance_nano: int = 0
    """How far `cost_nano` can be off, in nano-USD, since the provider rounded each of its lines."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A whole export."""

    format: str
    provider: str | None
    """The provider whose format this is. None: any provider's."""
    billed: tuple[Billed, ...]

    @property
    def span(self) -> tuple[date, date]:
        """The first and the last day with an amount. The file says nothing about days outside them."""
        days = [each.day for each in self.billed]
        return min(days), max(days)

    @property
    def has_costs(self) -> bool:
        return all(each.usage is None for each in self.billed)


class _LineSum:
    """What the lines of one day and model say together."""

    __slots__ = ("atto", "counts", "half_units")

    def __init__(self) -> None:
        self.atto = 0
        self.half_units = 0
        self.counts: dict[str, int] = {}


def read_export(text: str) -> Export:
    """The export in a text of CSV. Raises InvalidRequest, which names the column, the line or the limit."""
    if len(text) > MAX_BYTES:
        raise _wrong(f"at most {MAX_BYTES // 2**20} MiB; split the file by dates.")
    lines = _lines(text.removeprefix("\ufeff"))
    header = [name.strip().lower() for name in next(lines, (0, []))[1]]
    if not any(header):
        raise _wrong("expected a header line with the columns' names.")
    format = _format_of(header)
    columns = _ColumnPlaces(format, header)
    sums: dict[tuple[date, str], _LineSum] = {}
    for number, cells in lines:
        if number > MAX_LINES:
            raise _wrong(f"at most {MAX_LINES:,} lines; split the file by dates.")
        if any(cell.strip() for cell in cells):
            columns.add(cells, number, sums)
        if len(sums) > MAX_GROUPS:
            raise _wrong(f"at most {MAX_GROUPS:,} days of models; split the file by dates.")
    if not sums:
        raise _wrong("there is no line with an amount in it.")
    days = [day for day, _ in sums]
    if (max(days) - min(days)).days >= MAX_DAYS:
        raise _wrong(f"at most {MAX_DAYS} days; split the file by dates.")
    billed = tuple(columns.billed(key, sums[key]) for key in sorted(sums))
    return Export(format=format.name, provider=format.provider, billed=billed)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise _wrong(f"line {reader.line_num}: {exc}") from exc
        yield reader.line_num, cells


def _format_of(header: Sequence[str]) -> Format:
    """The format that a header belongs to. Raises InvalidRequest, which names a column that the likeliest
    format lacks."""
    missing = {each.name: [names for names in each.needed if not {*names} & {*header}] for each in FORMATS}
    for each in FORMATS:
        if not missing[each.name]:
            return each
    likeliest = min(FORMATS, key=lambda each: len(missing[each.name]) / len(each.needed))
    lacks = " or ".join(missing[likeliest.name][0])
    known = ", ".join(each.name for each in FORMATS)
    raise _wrong(f"no column {lacks} (of {likeliest.name}). Exports that can be read: {known}.")


class _ColumnPlaces:
    """Where a format's columns stand in one file."""

    def __init__(self, format: Format, header: Sequence[str]) -> None:
        self._format = format
        self._day = self._place(header, format.day)
        self._model = self._place(header, format.model)
        self._cost = self._place(header, format.cost)
        self._currency = self._place(header, (format.currency,))
        self._counts = [
            (name, place)
            for name, columns in format.counts.items()
            for column in columns
            if (place := self._place(header, (column,))) is not None
        ]

    @staticmethod
    def _place(header: Sequence[str], names: Sequence[str]) -> int | None:
        return next((header.index(name) for name in names if name and name in header), None)

    def add(self, cells: Sequence[str], number: int, sums: dict[tuple[date, str], _LineSum]) -> None:
        """Add a line to the sum of its day and model. A line without an amount is an empty bucket and adds
        nothing."""

        def cell(place: int | None) -> str:
            return cells[place].strip() if place is not None and place < len(cells) else ""

        amounts = [self._cost] if self._cost is not None else [place for _, place in self._counts]
        if not any(cell(place) for place in amounts):
            return
        if cell(self._currency).lower() not in ("", "usd"):
            raise _wrong(f"line {number}: the currency is {cell(self._currency)[:10]!r}; expected usd.")
        day = _day(cell(self._day), number)
        model = _LINE_ITEM.split(cell(self._model), maxsplit=1)[0] if self._model is not None else ""
        if not model and not self._format.model_is_optional:
            raise _wrong(f"line {number}: no model.")
        found = sums.setdefault((day, model[:256]), _LineSum())
        if self._cost is not None:
            atto, half_unit = _amount(cell(self._cost), number)
            found.atto += atto
            found.half_units += half_unit if self._format.is_rounded else 0
        for name, place in self._counts:
            found.counts[name] = found.counts.get(name, 0) + _count(cell(place), number)

    def billed(self, key: tuple[date, str], found: _LineSum) -> Billed:
        day, model = key
        if not self._format.counts:
            return Billed(
                day=day,
                model=model,
                cost_nano=_rounded(found.atto),
                tolerance_nano=-(-found.half_units // ATTO_PER_NANO),
            )
        counts = dict(found.counts)
        if not self._format.input_is_whole:
            counts["prompt_tokens"] += counts.get("cached_tokens", 0) + counts.get("cache_write_tokens", 0)
        return Billed(day=day, model=model, usage=msgspec.structs.replace(Usage(), **counts))


def _day(text: str, number: int) -> date:
    """The UTC day of a cell that has a date (`2026-11-24`), a time with or without an offset, or seconds
    since 1970."""
    try:
        if _UNIX.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC).date()
        found = datetime.fromisoformat(text)
        day = (found if found.tzinfo is None else found.astimezone(UTC)).date()
    except (ValueError, OverflowError) as exc:
        raise _wrong(f"line {number}: expected a date such as 2026-11-24, found {text[:40]!r}.") from exc
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise _wrong(f"line {number}: expected a date of {FIRST_YEAR} to {LAST_YEAR}, found {text[:40]!r}.")
    return day


def _amount(text: str, number: int) -> tuple[int, int]:
    """An amount in attodollars, and half a unit of its last digit, which rounding can have hidden: half a
    cent for `12.34`."""
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation as exc:
        raise _wrong(f"line {number}: expected an amount in dollars, found {text[:40]!r}.") from exc
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or abs(amount) > MAX_USD or not isinstance(exponent, int):
        raise _wrong(f"line {number}: expected an amount of at most {MAX_USD:,} dollars.")
    if exponent < -60 or len(text) > 100:
        raise _wrong(f"line {number}: the amount has too many digits.")
    numerator, denominator = amount.as_integer_ratio()
    atto = (2 * numerator * 10**18 + denominator) // (2 * denominator)
    return atto, 10 ** (18 + exponent) // 2 if -18 <= exponent <= 0 else 0


def _count(text: str, number: int) -> int:
    digits = text.replace(",", "").removesuffix(".0") or "0"
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise _wrong(f"line {number}: expected a number of tokens, found {text[:40]!r}.")
    return int(digits)


def _rounded(atto: int) -> int:
    """Attodollars as nano-USD, rounded to the nearest."""
    return (2 * atto + ATTO_PER_NANO) // (2 * ATTO_PER_NANO)


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(f"{PARAM}: {what}", param=PARAM)
