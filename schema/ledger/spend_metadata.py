"""A spend row's `metadata`: LiteLLM's keys, which its dashboards read.

What no column has is here alone: the rare meters in `usage_object`, the cost's parts in `cost_breakdown`.
Money is in dollars, exactly.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from schema.ledger.rows import SpendRow, usage_of
from schema.money import NANO_PER_USD, usd
from schema.usage import NOTHING_RARE, RareMeters, Usage


class PromptTokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    cached_tokens: int = 0
    audio_tokens: int = 0
    cached_audio_tokens: int = 0
    image_tokens: int = 0
    cached_image_tokens: int = 0


class CompletionTokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class CacheWritten(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class ToolsUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    web_search_requests: int = 0
    search_context_size: str = ""


class UsageObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was used. Counts of zero are left out, but for the three that every usage has."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    prompt_tokens_details: PromptTokens = PromptTokens()
    completion_tokens_details: CompletionTokens = CompletionTokens()
    cache_creation: CacheWritten = CacheWritten()
    server_tool_use: ToolsUsed = ToolsUsed()
    images: int = 0
    input_reported: bool = False
    """True where the counts are an estimate, but the input is exact."""


class CostBreakdown(msgspec.Struct, frozen=True, kw_only=True):
    """What a call cost, in dollars. The total is `input_cost`, `output_cost`, `tool_usage_cost` and all of
    `additional_costs`; the costs of the cache are parts of the input's, that of reasoning is one of the
    output's."""

    input_cost: Decimal
    output_cost: Decimal
    tool_usage_cost: Decimal
    total_cost: Decimal
    cache_read_cost: Decimal
    cache_creation_cost: Decimal
    reasoning_cost: Decimal
    additional_costs: dict[str, Decimal]
    """`request_cost` is the charge for each request, `time_cost` the charge for its seconds."""


class ErrorInformation(msgspec.Struct, frozen=True, kw_only=True):
    error_code: str
    error_class: str
    error_message: str | None


class SpendMetadata(msgspec.Struct, frozen=True, kw_only=True):
    user_api_key: str | None = None
    user_api_key_alias: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_org_id: str | None = None
    user_api_key_project_id: str | None = None
    requester_ip_address: str | None = None
    user_agent: str | None = None
    usage_object: UsageObject | None = None
    cost_breakdown: CostBreakdown | None = None
    error_information: ErrorInformation | msgspec.UnsetType | None = msgspec.UNSET
    cache_saved: Decimal | msgspec.UnsetType = msgspec.UNSET
    """What reading from the provider's cache saved, in dollars, against the plain price of input."""
    held_cost: Decimal | msgspec.UnsetType = msgspec.UNSET
    """What budgets held for the attempt, in dollars, where it cost more than that."""
    trace_id: str | msgspec.UnsetType | None = msgspec.UNSET
    """The client's trace that the call is part of."""
    local_only: str | msgspec.UnsetType = msgspec.UNSET
    """Who said that the call goes to local deployments alone: `key`, `team`, `request` ..."""
    spend_logs_metadata: Any = msgspec.UNSET  # the client's own JSON, of any shape
    """What the client wants to find in the row."""
    route: Any = msgspec.UNSET  # the JSON of a RouteRecord, of this or another version
    """Why the attempt went where it went."""
    applied_guardrails: list[str] | msgspec.UnsetType = msgspec.UNSET
    """The guardrails that were asked, by name."""
    guardrail_information: Any = msgspec.UNSET  # the JSON of records, of this or another version
    """What each of them decided."""


def metadata_of(row: SpendRow) -> SpendMetadata:
    """The row's `metadata`, as it is stored and as it is answered."""
    failed = None
    if row.error_class is not None:
        failed = ErrorInformation(
            error_code=str(row.http_status),
            error_class=row.error_class,
            error_message=row.error_message,
        )
    return SpendMetadata(
        user_api_key=row.key_hash,
        user_api_key_alias=row.key_alias,
        user_api_key_user_id=row.user_id,
        user_api_key_team_id=row.team_id,
        user_api_key_org_id=row.organization_id,
        user_api_key_project_id=row.project_id,
        requester_ip_address=row.requester_ip,
        user_agent=row.user_agent,
        usage_object=usage_object(usage_of(row)),
        cost_breakdown=cost_breakdown(row.cost_parts),
        error_information=failed,
        cache_saved=usd(row.cache_saved_nano) if row.cache_saved_nano else msgspec.UNSET,
        held_cost=held_cost(row.held_nano),
        trace_id=row.trace_id or msgspec.UNSET,
        local_only=row.stays_local or msgspec.UNSET,
        spend_logs_metadata=_kept(row.spend_logs_metadata),
        route=_kept(row.route),
        applied_guardrails=_applied(row.guardrails),
        guardrail_information=_kept(row.guardrails),
    )


def _applied(text: str) -> list[str] | msgspec.UnsetType:
    if not text:
        return msgspec.UNSET
    return list(dict.fromkeys(each["guardrail_name"] for each in msgspec.json.decode(text)))


def _kept(text: str) -> object:
    return msgspec.json.decode(text) if text else msgspec.UNSET


def usage_object(usage: Usage) -> UsageObject:
    prompt, completion, cache, tools = _details(
        usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens, usage.rare or NOTHING_RARE
    )
    return UsageObject(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        cache_creation_input_tokens=usage.cache_write_tokens,
        prompt_tokens_details=prompt,
        completion_tokens_details=completion,
        cache_creation=cache,
        server_tool_use=tools,
        images=NOTHING_RARE.images if usage.rare is None else usage.rare.images,
        input_reported=usage.input_reported,
    )


@lru_cache(maxsize=1024)
def _details(
    cached: int, written: int, reasoning: int, rare: RareMeters
) -> tuple[PromptTokens, CompletionTokens, CacheWritten, ToolsUsed]:
    """What most rows have in common: no cached, reasoning or rare tokens."""
    return (
        PromptTokens(
            cached_tokens=cached,
            audio_tokens=rare.audio_input_tokens,
            cached_audio_tokens=rare.audio_cached_tokens,
            image_tokens=rare.image_input_tokens,
            cached_image_tokens=rare.image_cached_tokens,
        ),
        CompletionTokens(
            reasoning_tokens=reasoning,
            audio_tokens=rare.audio_output_tokens,
            image_tokens=rare.image_output_tokens,
        ),
        CacheWritten(
            ephemeral_5m_input_tokens=max(0, written - rare.cache_write_1h_tokens),
            ephemeral_1h_input_tokens=rare.cache_write_1h_tokens,
        ),
        ToolsUsed(web_search_requests=rare.web_searches, search_context_size=rare.search_context),
    )


def rare_of(used: UsageObject) -> RareMeters | None:
    """The rare meters as a row has stored them; None where no rare meter ran."""
    prompt, completion = used.prompt_tokens_details, used.completion_tokens_details
    rare = RareMeters(
        cache_write_1h_tokens=used.cache_creation.ephemeral_1h_input_tokens,
        audio_input_tokens=prompt.audio_tokens,
        audio_cached_tokens=prompt.cached_audio_tokens,
        audio_output_tokens=completion.audio_tokens,
        image_input_tokens=prompt.image_tokens,
        image_cached_tokens=prompt.cached_image_tokens,
        image_output_tokens=completion.image_tokens,
        images=used.images,
        web_searches=used.server_tool_use.web_search_requests,
        search_context=used.server_tool_use.search_context_size,
    )
    return None if rare == NOTHING_RARE else rare


def cost_breakdown(parts: tuple[int, ...]) -> CostBreakdown | None:
    """The breakdown of a cost. `parts` are in nano-USD, in the order of `models_registry.prices.price.Parts`.
    None where the cost is 0."""
    if not parts:
        return None
    plain, read, written, output, reasoning, tools, request, time = map(usd, parts)
    return CostBreakdown(
        input_cost=plain + read + written,
        output_cost=output + reasoning,
        tool_usage_cost=tools,
        total_cost=usd(sum(parts)),
        cache_read_cost=read,
        cache_creation_cost=written,
        reasoning_cost=reasoning,
        additional_costs={
            name: cost for name, cost in (("request_cost", request), ("time_cost", time)) if cost
        },
    )


def parts_of(breakdown: CostBreakdown) -> tuple[int, ...]:
    """The parts of a cost, in nano-USD, as a row has stored them."""
    read, written = breakdown.cache_read_cost, breakdown.cache_creation_cost
    parts = (
        breakdown.input_cost - read - written,
        read,
        written,
        breakdown.output_cost - breakdown.reasoning_cost,
        breakdown.reasoning_cost,
        breakdown.tool_usage_cost,
        breakdown.additional_costs.get("request_cost", Decimal(0)),
        breakdown.additional_costs.get("time_cost", Decimal(0)),
    )
    return tuple(int(part * NANO_PER_USD) for part in parts)


def held_cost(held_nano: int | None) -> Decimal | msgspec.UnsetType:
    return msgspec.UNSET if held_nano is None else usd(held_nano)
