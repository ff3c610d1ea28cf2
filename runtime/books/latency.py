"""The histograms of how long calls took, by UTC day and by UTC hour, in one table of Postgres.

Each call is counted twice, in its day and in its hour: a report on months reads days alone. Hours are
dropped after HOURS_DAYS days. `schema/ledger/histogram.py` has the buckets.
"""

from collections.abc import Sequence

import asyncpg

from runtime.books.rollup_key import SUBJECT, digest
from schema.ledger.histogram import bucket_of
from schema.ledger.measures import is_sent
from schema.ledger.rows import SpendRow, ttft_ms

TABLE = "Switchgear_Latency"
KEY = ("date", "hour", *SUBJECT)
COUNTS = ("duration_counts", "ttft_counts")
HOURS_DAYS = 35
"""For how many days hours are kept."""

LatencyKey = tuple[str, ...]
BucketCalls = tuple[dict[int, int], dict[int, int]]
"""How many calls each bucket has: of the whole time, and of the time to the first token."""


def counts_of(rows: Sequence[SpendRow], keys: Sequence[tuple[str, ...]]) -> dict[LatencyKey, BucketCalls]:
    """What these rows add to the table: an entry for each hour and each day, by KEY. `keys` has the key of
    each row in the daily sums: its day, then SUBJECT, then others."""
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
    days: dict[LatencyKey, BucketCalls] = {}
    for hour, counted in hours.items():
        of_day = days.setdefault((hour[0], "", *hour[2:]), ({}, {}))
        for sums, counts in zip(of_day, counted, strict=True):
            for bucket, calls in counts.items():
                _count(sums, bucket, calls)
    return days | hours


def _count(counts: dict[int, int], bucket: int, calls: int) -> None:
    counts[bucket] = counts.get(bucket, 0) + calls


def statement(first: int) -> str:
    """The SQL that adds counts. Its parameters are numbered from `first` on, in the order of `arrays`."""
    texts = ("id", *KEY)
    arrays = ", ".join(f"${first + place}::text[]" for place in range(len(texts) + len(COUNTS)))
    names = ", ".join((*texts, *COUNTS))
    read = ", ".join((*(f"d.{name}" for name in texts), *(f"d.{name}::bigint[]" for name in COUNTS)))
    added = ", ".join(f"{name} = switchgear_add_counts(kept.{name}, excluded.{name})" for name in COUNTS)
    return (
        f'INSERT INTO "{TABLE}" AS kept ({names}) SELECT {read} FROM unnest({arrays}) AS d({names})'
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
    await connection.execute(
        f"""DELETE FROM "{TABLE}" WHERE hour <> ''
            AND date < to_char((now() AT TIME ZONE 'utc')::date - {HOURS_DAYS}, 'YYYY-MM-DD')"""
    )
