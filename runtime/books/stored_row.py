"""From a row of the ledger's table to the record it was booked from."""

from typing import Any, Protocol

import msgspec

from schema.ledger.rows import Outcome, SpendRow, is_earlier_id
from schema.ledger.spend_metadata import SpendMetadata, parts_of, rare_of
from schema.money import NANO_PER_USD
from schema.tables import aware

COLUMNS = (
    "request_id", "litellm_call_id", "call_type", "api_key", "key_alias", '"user"', "team_id",
    "organization_id", "end_user", "requester_ip_address", "user_agent", "model_group", "model", "model_id",
    "custom_llm_provider", "api_base", '"startTime"', '"completionStartTime"', '"endTime"',
    "request_duration_ms", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "estimated", "spend", "price_source", "streamed", "outcome", "http_status",
    "error_class", "error_message", "request_tags", "session_id", "price_version", "price_effective",
    "service_tier", "corrects", "metadata",
)  # fmt: skip
"""All that a row is read from."""
_METADATA = msgspec.json.Decoder(SpendMetadata)
_TAGS = msgspec.json.Decoder(tuple[str, ...])


class Columns(Protocol):
    """A row, from whichever driver."""

    def __getitem__(self, column: str) -> Any: ...  # its values are of the columns' own types


def spend_row(row: Columns) -> SpendRow:
    """A row of COLUMNS."""
    first = row["completionStartTime"]
    metadata = _metadata(row["metadata"])
    used, costs = metadata.usage_object, metadata.cost_breakdown
    return SpendRow(
        request_id=row["request_id"],
        call_id=row["litellm_call_id"] or row["request_id"],
        call_type=row["call_type"],
        key_hash=row["api_key"],
        key_alias=row["key_alias"],
        user_id=row["user"] or "",
        team_id=row["team_id"],
        organization_id=row["organization_id"],
        end_user=row["end_user"],
        requester_ip=row["requester_ip_address"],
        user_agent=row["user_agent"],
        model_group=row["model_group"] or "",
        model=row["model"],
        model_id=row["model_id"] or "",
        provider=row["custom_llm_provider"] or "",
        api_base=row["api_base"] or "",
        started_at=aware(row["startTime"]),
        first_token_at=None if first is None else aware(first),
        ended_at=aware(row["endTime"]),
        duration_ms=row["request_duration_ms"] or 0,
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        cached_tokens=row["cached_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        estimated=row["estimated"],
        cost_nano=int(row["spend"] * NANO_PER_USD),
        price_source=row["price_source"],
        streamed=row["streamed"],
        outcome=Outcome(row["outcome"]),
        http_status=row["http_status"],
        error_class=row["error_class"],
        error_message=row["error_message"],
        tags=_tags(row["request_tags"]),
        session_id=row["session_id"],
        price_version=row["price_version"],
        price_effective=row["price_effective"],
        service_tier=row["service_tier"],
        rare=None if used is None else rare_of(used),
        cost_parts=() if costs is None else parts_of(costs),
        input_reported=used is not None and used.input_reported,
        corrects=row["corrects"],
        final=not is_earlier_id(row["request_id"]),
        held_nano=None if metadata.held_cost is msgspec.UNSET else int(metadata.held_cost * NANO_PER_USD),
    )


def _metadata(text: str | None) -> SpendMetadata:
    """What a row's metadata says; nothing where it is not of this gateway's making."""
    try:
        return _METADATA.decode(text or "{}")
    except msgspec.DecodeError:
        return SpendMetadata()


def _tags(stored: str | None) -> tuple[str, ...]:
    if stored is None or stored == "[]":
        return ()
    try:
        return _TAGS.decode(stored)
    except msgspec.ValidationError:
        return ()  # SQL wrote something else there
