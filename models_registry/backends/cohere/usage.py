"""Cohere's counts, reasons and log probabilities in our terms.

The bill is made of `billed_units`. They leave out Cohere's own text and the marks of the template, which
`tokens` has. Cached tokens cost as much as others, so they are not told apart.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.tolerance import UNREADABLE
from models_registry.backends.usage import count_of, report_in, usage_from
from models_registry.turns.events import StopReason
from schema.dialects.cohere import CohereLogprobs, CohereUnits, CohereUsage
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

STOP_REASONS: Mapping[str, StopReason] = MappingProxyType(
    {
        "COMPLETE": StopReason.END,
        "STOP_SEQUENCE": StopReason.SEQUENCE,
        "MAX_TOKENS": StopReason.LENGTH,
        "TOOL_CALL": StopReason.TOOLS,
        "ERROR_LIMIT": StopReason.CONTEXT,
        "ERROR_TOXIC": StopReason.FILTER,
    }
)
BROKEN = frozenset({"ERROR", "TIMEOUT"})
"""Reasons of an answer that the model did not get done."""
NOTHING = CohereUnits()
_REPORTS = msgspec.json.Decoder(CohereUsage)
_LOGPROBS = msgspec.json.Decoder(list[CohereLogprobs] | CohereLogprobs)


def billed_input(raw: MaybeRaw) -> int | None:
    """The input tokens on the bill, which embeddings have nothing beside. None: there is no count."""
    report = report_in(raw, _REPORTS)
    return (
        None if report is None or report.billed_units is None else count_of(report.billed_units.input_tokens)
    )


def usage_in(raw: MaybeRaw) -> Usage | None:
    """The usage that an answer reports. None: there are no counts."""
    report = report_in(raw, _REPORTS)
    if report is None:
        return None
    billed, tokens = report.billed_units or NOTHING, report.tokens or NOTHING
    prompt, completion = count_of(billed.input_tokens), count_of(billed.output_tokens)
    prompt = count_of(tokens.input_tokens) if prompt is None else prompt
    completion = count_of(tokens.output_tokens) if completion is None else completion
    thought = count_of(tokens.reasoning_tokens) or count_of(billed.reasoning_tokens) or 0
    return usage_from(prompt, completion, Usage(reasoning_tokens=min(thought, completion or 0)))


def logprobs_in(raw: MaybeRaw, text: str) -> MaybeRaw:
    """OpenAI's `logprobs` object for a text of the answer. Tokens in front of the text, such as those of
    thinking, are left out. A piece of several tokens is one entry, whose log probability is their sum."""
    if not present(raw):
        return ABSENT
    try:
        found = _LOGPROBS.decode(raw)
    except UNREADABLE:
        return ABSENT
    listed = [found] if isinstance(found, CohereLogprobs) else found
    pieces = [(each.text or "", each.logprobs) for each in listed if each.logprobs]
    if "".join(piece for piece, _ in pieces).endswith(text):
        spare = sum(len(piece) for piece, _ in pieces) - len(text)
        while spare > 0:
            spare -= len(pieces.pop(0)[0])
    entries = [
        {"token": piece, "logprob": sum(logprobs), "bytes": list(piece.encode()), "top_logprobs": []}
        for piece, logprobs in pieces
    ]
    return msgspec.Raw(msgspec.json.encode({"content": entries, "refusal": None})) if entries else ABSENT
