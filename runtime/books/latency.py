"""The histograms of how long calls took, by UTC day and by UTC hour, in three tables of Postgres.

Each table counts each call twice, in its day and in its hour: a report on months reads days alone. The two
short tables have the counts of the long one, with fewer columns to tell calls apart: most reports need no
more. Hours are dropped after HOURS_DAYS days. `schema/ledger/histogram.py` has the buckets.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import asyncpg

from runtime.books.rollup_key import SUBJECT, digest
from schema.ledger.histogram import bucket_of
from schema.ledger.measures import is_sent
from schema.ledger.rows import SpendRow, ttft_ms


class Histograms(NamedTuple):
    """A table of histograms."""

    table: str
    subject: tuple[str, ...]
    """The columns by which the table tells calls apart, beside day and hour."""

    @property
    def key(self) -> tuple[str, ...]:
        return ("date", "hour", *self.subject)


OF_ALL = Histograms("Switchgear_Latency", SUBJECT)
OF_OWNERS = Histograms("Switchgear_OwnerLatency", ("api_key", "user_id", "team_id", "organization_id"))
"""Without models: for reports by key, user or team, and for whoever sees a part of the rows."""
OF_MODELS = Histograms("Switchgear_ModelLatency", ("model_group", "custom_llm_provider"))
"""Without keys, users and teams: for reports on everything."""
HISTOGRAMS = (OF_ALL, OF_OWNERS, OF_MODELS)
"""The tables, in the order in which every writer writes them."""
COUNTS = ("duration_counts", "ttft_counts")
HOURS_DAYS = 35
"""For how many days hours are kept."""

LatencyKey = tuple[str, ...]
BucketCalls = tuple[dict[int, int], dict[int, int]]
"""How many calls each bucket has: of the whole time, and of the time to the first token."""


def counts_of(
    rows: Sequence[SpendRow], keys: Sequence[tuple[str, ...]]
) -> list[dict[LatencyKey, BucketCalls]]:
    """What these rows add to each of HISTOGRAMS: an entry for each hour and each day, by the table's key.
    `keys` has the key of each row in the daily sums: its day, then SUBJECT, then others."""
    hours: dict[LatencyKey, BucketCalls] = {}
    for row, key in zip(rows, keys, strict=True):
        if not is_sent(row):
            continue
        hour = (key[0], f"{row.started_at.hour:02}", *key[1 : 1 + len(SUBJECT)])
        durations, first_tokens = hours.setdefault(hour, ({}, {}))
        _count(durations, bucket_of(row.duration_ms), 1)
        first_ms = ttft_ms(row)
        if first_ms is not None:
            _count(first_tokens, bucket_of(first_ms), 1)
    made = []
    for histograms in HISTOGRAMS:
        of_hours = hours if histograms is OF_ALL else _folded(hours, _PLACES[histograms])
        made.append(_folded(of_hours, (0, None, *range(2, len(histograms.key)))) | of_hours)
    return made


_PLACES: Mapping[Histograms, tuple[int, ...]] = MappingProxyType(
    {each: tuple(map(OF_ALL.key.index, each.key)) for each in HISTOGRAMS}
)
"""Where the key of OF_ALL has the parts of each table's key."""


def _folded(
    counted: Mapping[LatencyKey, BucketCalls], places: Sequence[int | None]
) -> dict[LatencyKey, BucketCalls]:
    """The counts by a shorter key. `places` says where the parts of the new key are in the old one. None: the
    part is empty."""
    folded: dict[LatencyKey, BucketCalls] = {}
    for key, calls_of in counted.items():
        of_key = folded.setdefault(tuple("" if place is None else key[place] for place in places), ({}, {}))
        for sums, counts in zip(of_key, calls_of, strict=True):
            for bucket, calls in counts.items():
                _count(sums, bucket, calls)
    return folded


def _count(counts: dict[int, int], bucket: int, calls: int) -> None:
    counts[bucket] = counts.get(bucket, 0) + calls


def parameters(histograms: Histograms) -> int:
    """How many parameters the statement for this table has."""
    return 1 + len(histograms.key) + len(COUNTS)


def statement(histograms: Histograms, first: int) -> str:
    """The SQL that adds counts to a table. Its parameters are numbered from `first` on, in the order of
    `arrays`."""
    texts = ("id", *histograms.key)
    arrays = ", ".join(f"${first + place}::text[]" for place in range(parameters(histograms)))
    names = ", ".join((*texts, *COUNTS))
    read = ", ".join((*(f"d.{name}" for name in texts), *(f"d.{name}::bigint[]" for name in COUNTS)))
    added = ", ".join(f"{name} = switchgear_add_counts(kept.{name}, excluded.{name})" for name in COUNTS)
    return (
        f'INSERT INTO "{histograms.table}" AS kept ({names})'
        f" SELECT {read} FROM unnest({arrays}) AS d({names})"
        f" ON CONFLICT (id) DO UPDATE SET {added}, updated_at = now() AT TIME ZONE 'utc'"
    )


def arrays(counts: dict[LatencyKey, BucketCalls]) -> list[list[str]]:
    """The parameters of `statement`. An array of arrays goes to Postgres as texts, such as `{0,0,3}`."""
    ordered = sorted((digest(key), key, counted) for key, counted in counts.items())
    columns = zip(*((id, *key, *map(_text, counted)) for id, key, counted in ordered), strict=True)
    return [list(column) for column in columns]


def _text(counts: dict[int, int]) -> str:
    """The counts of all buckets up to the last one with calls."""
    last = max(counts, default=-1)
    return "{" + ",".join(str(counts.get(bucket, 0)) for bucket in range(last + 1)) + "}"


async def drop_old_hours(connection: asyncpg.Connection) -> None:
    """Drop the hours that are no longer kept, by the clock of Postgres."""
    for histograms in HISTOGRAMS:
        await connection.execute(
            f"""DELETE FROM "{histograms.table}" WHERE hour <> ''
                AND date < to_char((now() AT TIME ZONE 'utc')::date - {HOURS_DAYS}, 'YYYY-MM-DD')"""
        )
