"""Ids of rows: the row of an attempt that was not the last of its call can be told by its id alone."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.routing.settings import MAX_FALLBACKS, MAX_RETRIES
from schema.ledger.rows import earlier_id, is_earlier_id

MOST_ATTEMPTS = (1 + MAX_FALLBACKS) * (1 + MAX_RETRIES)


@given(call=st.uuids(), attempt=st.integers(1, MOST_ATTEMPTS))
def test_an_earlier_attempts_id_is_told_from_its_calls(call: uuid.UUID, attempt: int) -> None:
    assert not is_earlier_id(str(call))
    assert is_earlier_id(earlier_id(str(call), attempt))
    assert not is_earlier_id(f"{earlier_id(str(call), attempt)}-c1"), "its correction"


@pytest.mark.parametrize("last", ["a12345678901", "0000000000a1", "a00000000001", "a1a111111111"])
def test_no_uuid_looks_like_an_earlier_attempt(last: str) -> None:
    assert not is_earlier_id(f"01a20e7e-42ec-7f16-a123-{last}")
