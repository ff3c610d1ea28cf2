"""What several reports share: the bases of their queries, and what a key cost, in LiteLLM's shapes. A query
with an unknown parameter is refused by the parameter's name. Dollars in answers are exact sums."""

from decimal import Decimal

import msgspec


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all queries of reports. By itself it has no parameters."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # an `api_key` may be a key


class PeriodQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The period of a report: UTC days as `YYYY-MM-DD`, both included."""

    start_date: str | None = None
    end_date: str | None = None


class TopQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a report of the `limit` dearest."""

    limit: int = 100


class ModelCost(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    total_cost: Decimal
    total_input_tokens: int
    total_output_tokens: int


class KeyCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a key cost in a period, by model."""

    api_key: str
    total_cost: Decimal
    total_input_tokens: int
    total_output_tokens: int
    model_details: list[ModelCost]
