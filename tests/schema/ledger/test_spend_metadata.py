"""A row's metadata says what the row was made of: no usage and no cost is lost on the way."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schema.ledger.spend_metadata import (
    CostBreakdown,
    UsageObject,
    cost_breakdown,
    parts_of,
    rare_of,
    usage_object,
)
from schema.usage import NOTHING_RARE, RareMeters, Usage

COUNTS = st.integers(0, 2**31 - 1)
NANO = st.integers(0, 10**15)
RARE = st.builds(
    RareMeters,
    cache_write_1h_tokens=COUNTS,
    audio_input_tokens=COUNTS,
    audio_cached_tokens=COUNTS,
    audio_output_tokens=COUNTS,
    image_input_tokens=COUNTS,
    image_cached_tokens=COUNTS,
    image_output_tokens=COUNTS,
    images=COUNTS,
    web_searches=COUNTS,
    search_context=st.sampled_from(("", "low", "high")),
)


@given(st.none() | RARE)
def test_the_rare_meters_come_back_from_the_usage_object(rare: RareMeters | None) -> None:
    stored = msgspec.json.encode(usage_object(Usage(rare=rare)))
    found = rare_of(msgspec.json.decode(stored, type=UsageObject))
    assert found == (None if rare == NOTHING_RARE else rare)


@given(st.tuples(NANO, NANO, NANO, NANO, NANO, NANO, NANO, NANO))
def test_the_parts_of_a_cost_come_back_exactly_and_add_up(parts: tuple[int, ...]) -> None:
    breakdown = cost_breakdown(parts)
    assert breakdown is not None
    stored = msgspec.json.decode(msgspec.json.encode(breakdown), type=CostBreakdown)
    assert parts_of(stored) == parts
    told = stored.input_cost + stored.output_cost + stored.tool_usage_cost
    assert told + sum(stored.additional_costs.values(), Decimal(0)) == stored.total_cost


def test_a_cost_of_nothing_has_no_parts() -> None:
    assert cost_breakdown(()) is None
