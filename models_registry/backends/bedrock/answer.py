"""Bedrock's answers as events of the core."""

from collections.abc import Iterable

import msgspec

from models_registry.backends.bedrock.usage import BROKEN, STOP_REASONS
from models_registry.backends.content import arguments_text
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import UNREADABLE, decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Cited,
    Sealed,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from schema.dialects.bedrock import (
    BedrockAnswerBlock,
    BedrockCitation,
    BedrockReasoning,
    ConverseAnswer,
)
from schema.errors.upstream import UpstreamCut
from schema.wire import present

_ANSWERS = msgspec.json.Decoder(ConverseAnswer)
_CITATIONS = msgspec.json.Decoder(BedrockCitation)
_PLACES = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Web(msgspec.Struct, frozen=True):
    url: str = ""


def decode_answer(data: bytes, target: Target) -> ConverseAnswer:
    """A whole answer. Raises the mapped error for an error in it, and UpstreamMalformed for anything else."""
    try:
        return decoded(_ANSWERS, data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error_instead(data, target, f"The provider's answer is not one of Bedrock's: {exc}") from exc


def stop_reason(said: str | None, *, has_said: bool) -> StopReason:
    """Why an answer ended. A reason that is not known yet counts as `END`. Raises UpstreamCut where the model
    got nothing done."""
    if said in BROKEN and not has_said:
        raise UpstreamCut(f"The model's answer broke off: {said}.")
    return STOP_REASONS.get(said or "", StopReason.END)


def answer_events(blocks: Iterable[BedrockAnswerBlock], *, signs: bool) -> list[AnswerEvent]:
    """The events of a whole answer's blocks. `signs`: the model signs its thinking."""
    found: list[AnswerEvent] = []
    tools = 0
    for block in blocks:
        if block.text is not None:
            found.append(Text(block.text, begins=True))
        elif block.tool_use is not None:
            found.append(ToolBegan(tools, block.tool_use.tool_use_id, block.tool_use.name))
            found.append(ToolArguments(tools, arguments_text(block.tool_use.input)))
            tools += 1
        elif block.reasoning_content is not None:
            found += thought(block.reasoning_content, signs=signs)
        elif block.citations_content is not None:
            said = block.citations_content.content or ()
            found.append(Text("".join(each.text or "" for each in said), begins=True))
            found += [cited(raw) for raw in block.citations_content.citations or ()]
    return found


def thought(reasoning: BedrockReasoning, *, signs: bool) -> list[AnswerEvent]:
    """Thinking of a whole answer, or a piece of a stream's."""
    if reasoning.redacted_content:
        return [Sealed(reasoning.redacted_content)]
    told = reasoning.reasoning_text
    text, signature = (reasoning.text, reasoning.signature) if told is None else (told.text, told.signature)
    if not text and not signature:
        return []
    return [Thought(text or "", signature or "", is_signed=signs or bool(signature))]


def cited(raw: msgspec.Raw) -> Cited:
    """A source of the text before it."""
    try:
        citation = _CITATIONS.decode(raw)
        places = _PLACES.decode(citation.location) if present(citation.location) else {}
        web = msgspec.json.decode(places["web"], type=_Web) if "web" in places else _Web()
    except UNREADABLE:
        return Cited(raw)
    return Cited(raw, web.url, citation.title or "")
