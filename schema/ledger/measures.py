"""What the daily sums add up, one row a measure: of a row of the ledger, and of the whole ledger in SQL.

From here come the rollups' INSERT and UPDATE (`runtime/books/rollups.py`), what reports may ask for
(`runtime/reports/sums_sql.py`) and the statements that make the sums anew (`schema/tables/rollup_fill.py`).
`tests/runtime/books/test_rollups.py` holds the two expressions of each measure against each other.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from schema.ledger.rows import EARLIER, Outcome, SpendRow, ttft_ms

CALL = f"corrects IS NULL AND request_id !~ '{EARLIER}'"
"""A correction, and an attempt after which its call went on to another, are money and tokens, and no call."""
SENT = f"{CALL} AND outcome <> 'refused'"


class Measure(NamedTuple):
    """A column of the rollups."""

    name: str
    of: Callable[[SpendRow], int]
    """What a row of the ledger adds to it."""
    sql: str
    """What all rows of the ledger's table come to."""
    is_money: bool = False
    """Nano-USD in code, dollars in the table."""


def _calls(where: str) -> str:
    return f"count(*) FILTER (WHERE {where})"


def _call(row: SpendRow) -> int:
    return 1 if row.final and row.corrects is None else 0


def is_sent(row: SpendRow) -> bool:
    """Whether a row is that of a call that was sent to a provider, so that its time counts."""
    return row.outcome is not Outcome.REFUSED and row.final and row.corrects is None


def _sent(row: SpendRow) -> int:
    return 1 if is_sent(row) else 0


def _successful(row: SpendRow) -> int:
    return _call(row) if row.outcome is Outcome.OK else 0


def _failed(row: SpendRow) -> int:
    return _call(row) if row.outcome is not Outcome.OK else 0


def _refused(row: SpendRow) -> int:
    return _call(row) if row.outcome is Outcome.REFUSED else 0


def _uncertain(row: SpendRow) -> int:
    return _call(row) if row.outcome is Outcome.UNCERTAIN else 0


def _uncertain_nano(row: SpendRow) -> int:
    return row.cost_nano if row.outcome is Outcome.UNCERTAIN else 0


def _response_ms(row: SpendRow) -> int:
    return row.duration_ms if _sent(row) else 0


def _ttft_ms(row: SpendRow) -> int:
    return (ttft_ms(row) or 0) if _call(row) else 0


def _ttft(row: SpendRow) -> int:
    return 0 if row.first_token_at is None else _call(row)


def _rate_limited(row: SpendRow) -> int:
    return _call(row) if row.http_status == 429 else 0


def _hits(row: SpendRow) -> int:
    return _call(row) if row.cache_hit else 0


def _hit_tokens(row: SpendRow) -> int:
    return row.completion_tokens if row.cache_hit else 0


MEASURES: tuple[Measure, ...] = (
    Measure("spend", attrgetter("cost_nano"), "sum(spend)", is_money=True),
    Measure("prompt_tokens", attrgetter("prompt_tokens"), "sum(prompt_tokens)"),
    Measure("completion_tokens", attrgetter("completion_tokens"), "sum(completion_tokens)"),
    Measure("cache_read_input_tokens", attrgetter("cached_tokens"), "sum(cached_tokens)"),
    Measure("cache_creation_input_tokens", attrgetter("cache_write_tokens"), "sum(cache_write_tokens)"),
    Measure("reasoning_tokens", attrgetter("reasoning_tokens"), "sum(reasoning_tokens)"),
    Measure("api_requests", _call, _calls(CALL)),
    Measure("successful_requests", _successful, _calls(f"{CALL} AND outcome = 'ok'")),
    Measure("failed_requests", _failed, _calls(f"{CALL} AND outcome <> 'ok'")),
    Measure("refused_requests", _refused, _calls(f"{CALL} AND outcome = 'refused'")),
    Measure("uncertain_requests", _uncertain, _calls(f"{CALL} AND outcome = 'uncertain'")),
    Measure(
        "uncertain_spend",
        _uncertain_nano,
        "coalesce(sum(spend) FILTER (WHERE outcome = 'uncertain'), 0)",
        is_money=True,
    ),
    Measure(
        "total_response_time_ms",
        _response_ms,
        f"coalesce(sum(request_duration_ms) FILTER (WHERE {SENT}), 0)",
    ),
    Measure("timed_requests", _sent, _calls(SENT)),
    Measure("total_ttft_ms", _ttft_ms, f"coalesce(sum(ttft_ms) FILTER (WHERE {CALL}), 0)"),
    Measure("ttft_requests", _ttft, f"count(ttft_ms) FILTER (WHERE {CALL})"),
    Measure("rate_limited_requests", _rate_limited, _calls(f"{CALL} AND http_status = 429")),
    Measure("cache_hit_requests", _hits, _calls(f"{CALL} AND cache_hit = 'True'")),
    Measure(
        "cache_hit_output_tokens",
        _hit_tokens,
        "coalesce(sum(completion_tokens) FILTER (WHERE cache_hit = 'True'), 0)",
    ),
)
MEASURE_NAMES: tuple[str, ...] = tuple(measure.name for measure in MEASURES)
MONEY: frozenset[str] = frozenset(measure.name for measure in MEASURES if measure.is_money)
