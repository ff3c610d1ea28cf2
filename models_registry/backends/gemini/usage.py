"""Google's counts, reasons and log probabilities in our terms."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.tolerance import UNREADABLE
from models_registry.backends.usage import count_of, rare_from, report_in, usage_from
from models_registry.turns.events import StopReason
from schema.dialects.gemini import GeminiCount, GeminiLogprob, GeminiLogprobs, GeminiUsage
from schema.usage import Usage, tier_served
from schema.wire import ABSENT, MaybeRaw, present

STOP_REASONS: Mapping[str, StopReason] = MappingProxyType(
    {
        "STOP": StopReason.END,
        "MAX_TOKENS": StopReason.LENGTH,
        **dict.fromkeys(
            (
                "SAFETY",
                "RECITATION",
                "BLOCKLIST",
                "PROHIBITED_CONTENT",
                "SPII",
                "IMAGE_SAFETY",
                "IMAGE_PROHIBITED_CONTENT",
                "IMAGE_RECITATION",
                "MODEL_ARMOR",
            ),
            StopReason.FILTER,
        ),
    }
)
BROKEN = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)
"""Reasons of an answer that the model did not get done."""
_REPORTS = msgspec.json.Decoder(GeminiUsage)
_COUNTS = msgspec.json.Decoder(list[GeminiCount])
_LOGPROBS = msgspec.json.Decoder(GeminiLogprobs)


class _TokenLogprob(msgspec.Struct):
    """OpenAI's."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list["_TokenLogprob"] | msgspec.UnsetType = msgspec.UNSET


def usage_in(raw: MaybeRaw) -> Usage | None:
    """The usage that an answer reports. Input that Google's own tools caused is added to the prompt, and
    thinking to the output. A count of nothing is left out on the wire. None: there are no counts."""
    report = report_in(raw, _REPORTS)
    if report is None:
        return None
    prompt = _sum(report.prompt_token_count, report.tool_use_prompt_token_count)
    completion = _sum(report.candidates_token_count, report.thoughts_token_count)
    if prompt is None and completion is None and count_of(report.total_token_count) is None:
        return None
    total = count_of(report.total_token_count)
    if total is not None and total > (prompt or 0) + (completion or 0):
        completion = total - (prompt or 0)  # what the other counts lack is billed all the same
    asked, answered = _by_kind(report.prompt_tokens_details), _by_kind(report.candidates_tokens_details)
    cached = _by_kind(report.cache_tokens_details)
    parts = Usage(
        cached_tokens=count_of(report.cached_content_token_count) or 0,
        reasoning_tokens=count_of(report.thoughts_token_count) or 0,
        service_tier=tier_served(report.service_tier),
        rare=rare_from(
            audio_input_tokens=asked.get("AUDIO"),
            audio_cached_tokens=cached.get("AUDIO"),
            audio_output_tokens=answered.get("AUDIO"),
            image_input_tokens=asked.get("IMAGE"),
            image_cached_tokens=cached.get("IMAGE"),
            image_output_tokens=answered.get("IMAGE"),
        ),
    )
    return usage_from(prompt or 0, completion or 0, parts)


def logprobs_in(raw: MaybeRaw) -> MaybeRaw:
    """OpenAI's `logprobs` object."""
    if not present(raw):
        return ABSENT
    try:
        found = _LOGPROBS.decode(raw)
    except UNREADABLE:
        return ABSENT
    tokens = []
    for at, chosen in enumerate(found.chosen_candidates):
        token = _token(chosen)
        token.top_logprobs = (
            [_token(each) for each in found.top_candidates[at].candidates]
            if at < len(found.top_candidates)
            else []
        )
        tokens.append(token)
    return msgspec.Raw(msgspec.json.encode({"content": tokens, "refusal": None}))


def _token(found: GeminiLogprob) -> _TokenLogprob:
    return _TokenLogprob(found.token, found.log_probability, list(found.token.encode()))


def _sum(*counts: int | None) -> int | None:
    known = [count for each in counts if (count := count_of(each)) is not None]
    return sum(known) if known else None


def _by_kind(raw: MaybeRaw) -> Mapping[str, int]:
    """The tokens by their kind, such as `AUDIO`."""
    if not present(raw):
        return MappingProxyType({})
    try:
        found = _COUNTS.decode(raw)
    except UNREADABLE:
        return MappingProxyType({})
    return {each.modality: count_of(each.token_count) or 0 for each in found if each.modality}
