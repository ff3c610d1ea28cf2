"""The rollups that reports read. They are updated with every batch of spend rows.

Summing is pure. One statement for each table adds the sums, with its rows in the order of their ids. So two
writers wait for each other, and no deadlock arises.
"""

from collections.abc import Sequence
from itertools import chain
from operator import add as add_up
from typing import NamedTuple

import asyncpg

from runtime.books import latency
from runtime.books.rollup_key import KEY, digest, key_of
from schema.ledger.measures import MEASURE_NAMES, MEASURES, MONEY
from schema.ledger.rows import SpendRow
from schema.money import usd


class Rollup(NamedTuple):
    """A table of sums by UTC day."""

    table: str
    key: tuple[str, ...]
    """The columns that the table sums by."""


EVERYTHING = Rollup("Switchgear_DailySpend", KEY)
OF_END_USERS = Rollup("Switchgear_DailyEndUserSpend", (*KEY, "end_user"))
OF_TAGS = Rollup("Switchgear_DailyTagSpend", (*KEY, "tag"))
END_USER_TOTALS = Rollup("Switchgear_DailyEndUserTotal", ("date", "end_user"))
"""A short table for questions about end users alone. OF_END_USERS can be nearly as long as the ledger."""
ROLLUPS = (EVERYTHING, OF_END_USERS, OF_TAGS, END_USER_TOTALS)
"""The rollups, in the order in which every writer writes them."""

DailySums = dict[tuple[str, ...], list[int]]
"""The sums of the MEASURES, by the values of the table's key columns."""


async def add(connection: asyncpg.Connection, rows: Sequence[SpendRow]) -> None:
    """Add new rows to the rollups. This must run in the transaction that inserts the rows. The histograms of
    durations are added by the statement that adds the sums of everything."""
    everything, *others = sums_of(rows)
    timed = latency.counts_of(rows, list(map(key_of, rows)))
    if any(timed):
        counts = chain.from_iterable(map(latency.arrays, timed))
        await connection.execute(_WITH_LATENCY, *_arrays(everything), *counts)
    elif everything:
        await connection.execute(_statement(EVERYTHING), *_arrays(everything))
    for rollup, sums in zip(ROLLUPS[1:], others, strict=True):
        if sums:
            await connection.execute(_statement(rollup), *_arrays(sums))


def sums_of(rows: Sequence[SpendRow]) -> tuple[DailySums, DailySums, DailySums, DailySums]:
    """The sums of these rows for each rollup, in the order of ROLLUPS."""
    everything: DailySums = {}
    of_end_users: DailySums = {}
    of_tags: DailySums = {}
    end_user_totals: DailySums = {}
    measured = zip(*(map(measure.of, rows) for measure in MEASURES), strict=True)
    for row, measures in zip(rows, measured, strict=True):
        key = key_of(row)
        _add(everything, key, measures)
        if row.end_user:
            _add(of_end_users, (*key, row.end_user), measures)
            _add(end_user_totals, (key[0], row.end_user), measures)
        for tag in dict.fromkeys(row.tags):
            _add(of_tags, (*key, tag), measures)
    return everything, of_end_users, of_tags, end_user_totals


def _add(sums: DailySums, key: tuple[str, ...], measures: Sequence[int]) -> None:
    found = sums.get(key)
    if found is None:
        sums[key] = list(measures)
    else:
        found[:] = map(add_up, found, measures)


def _statement(rollup: Rollup) -> str:
    texts = ("id", *rollup.key)
    names = ", ".join((*texts, *MEASURE_NAMES))
    kinds = ["text"] * len(texts) + ["numeric" if name in MONEY else "bigint" for name in MEASURE_NAMES]
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(kinds, 1))
    added = ", ".join(f"{name} = daily.{name} + excluded.{name}" for name in MEASURE_NAMES)
    return (
        f'INSERT INTO "{rollup.table}" AS daily ({names}) SELECT * FROM unnest({arrays})'
        f" ON CONFLICT (id) DO UPDATE SET {added}, updated_at = now() AT TIME ZONE 'utc'"
    )


def _arrays(sums: DailySums) -> list[list[object]]:
    ordered = sorted((digest(key), key, measures) for key, measures in sums.items())
    texts = zip(*((id, *key) for id, key, _ in ordered), strict=True)
    columns = zip(*(measures for _, _, measures in ordered), strict=True)
    arrays: list[list[object]] = [list(column) for column in texts]
    for name, column in zip(MEASURE_NAMES, columns, strict=True):
        arrays.append([usd(value) for value in column] if name in MONEY else list(column))
    return arrays


def _with_latency() -> str:
    """One statement for the sums of everything and for all histograms."""
    first = 2 + len(EVERYTHING.key) + len(MEASURES)
    statements = [_statement(EVERYTHING)]
    for histograms in latency.HISTOGRAMS:
        statements.append(latency.statement(histograms, first))
        first += latency.parameters(histograms)
    *others, last = statements
    named = ", ".join(f"part_{number} AS ({each})" for number, each in enumerate(others))
    return f"WITH {named} {last}"


_WITH_LATENCY = _with_latency()
