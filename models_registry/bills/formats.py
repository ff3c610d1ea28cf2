"""The cost exports that can be read, one row each.

OpenAI exports costs (`amount_value`, by `line_item` where the export is grouped by it) and completions usage:
platform.openai.com/usage, "Export". Anthropic exports costs, rounded to cents, and usage: Console, "Cost" and
"Usage" (support.anthropic.com/en/articles/9534590).
"""

from collections.abc import Mapping

import msgspec


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of export. A column may have several names."""

    name: str
    provider: str | None
    day: tuple[str, ...]
    model: tuple[str, ...]
    cost: tuple[str, ...] = ()
    currency: str = ""
    model_is_optional: bool = False
    counts: Mapping[str, tuple[str, ...]] = {}
    """Fields of Usage, each with the columns that are added up for it."""
    is_rounded: bool = False
    """Amounts may have been rounded to the digits that are shown."""
    input_is_whole: bool = False
    """The count of input tokens includes the cached ones."""

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        counts = tuple((self.counts[name][0],) for name in MAIN if name in self.counts)
        model = () if self.model_is_optional else (self.model,)
        return (self.day, *model, *((self.cost,) if self.cost else ()), *counts)


MAIN = ("prompt_tokens", "completion_tokens")
FORMATS: tuple[Format, ...] = (
    Format(
        name="openai_costs",
        provider="openai",
        day=("start_time_iso", "start_time"),
        model=("line_item",),
        model_is_optional=True,
        cost=("amount_value",),
        currency="amount_currency",
    ),
    Format(
        name="openai_usage",
        provider="openai",
        day=("start_time_iso", "start_time"),
        model=("model",),
        counts={
            "prompt_tokens": ("input_tokens",),
            "completion_tokens": ("output_tokens",),
            "cached_tokens": ("input_cached_tokens",),
        },
        input_is_whole=True,
    ),
    Format(
        name="anthropic_costs",
        provider="anthropic",
        day=("usage_date_utc",),
        model=("model", "model_version"),
        cost=("cost_usd",),
        is_rounded=True,
    ),
    Format(
        name="anthropic_usage",
        provider="anthropic",
        day=("usage_date_utc",),
        model=("model_version", "model"),
        counts={
            "prompt_tokens": ("usage_input_tokens_no_cache",),
            "completion_tokens": ("usage_output_tokens",),
            "cached_tokens": ("usage_input_tokens_cache_read",),
            "cache_write_tokens": ("usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h"),
        },
    ),
    Format(
        name="plain",
        provider=None,
        day=("date", "day"),
        model=("model",),
        cost=("cost", "cost_usd"),
        is_rounded=True,
    ),
)
