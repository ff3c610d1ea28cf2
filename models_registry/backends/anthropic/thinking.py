"""Signed thinking: from Anthropic's blocks to the core, and from LiteLLM's `thinking_blocks` back.

Anthropic takes its thinking back unchanged alone, with its signature. A client that collected a stream may
send the pieces one by one: a block's text ends with the piece that has the signature. Thinking without a
signature, or with Google's, is another provider's, and is left out.
"""

from collections.abc import Sequence

import msgspec

from models_registry.backends.content import signed_thinking, thinking_blocks
from models_registry.backends.signatures import googles
from models_registry.turns.events import Sealed, Thought
from schema.chat import Message, Part
from schema.dialects.anthropic import AnswerBlock, AnthropicMessage, Block
from schema.wire import present

THINKING, REDACTED = "thinking", "redacted_thinking"
_TEXT = msgspec.json.Decoder(str)


def thought(block: AnswerBlock) -> Thought | Sealed | None:
    """A block of an answer as the core has it. None: it is no thinking."""
    if block.kind == THINKING:
        return Thought(block.thinking or "", block.signature or "", is_signed=True)
    if block.kind == REDACTED:
        return Sealed(block.data or "")
    return None


def signed_blocks(message: Message) -> list[Block]:
    """The thinking of an assistant's message, from its `thinking_blocks`, as Anthropic takes it. Empty: the
    client kept none, or it stands among the parts of the content."""
    if _stands_in_parts(message):
        return []
    return [
        Block(kind=each.kind, thinking=each.thinking, signature=each.signature, data=each.data)
        for each in signed_thinking(message)
    ]


def signed_part(part: Part) -> Block | None:
    """A part of the content that is thinking. None: it has no signature."""
    if part.kind == REDACTED:
        return Block(kind=REDACTED, data=part.data) if part.data else None
    try:
        text = _TEXT.decode(part.thinking) if present(part.thinking) else ""
    except msgspec.DecodeError:
        return None  # at Mistral it is a list of parts
    if not part.signature or googles(part.signature):
        return None
    return Block(kind=THINKING, thinking=text, signature=part.signature)


def has_thinking(message: Message) -> bool:
    """Whether a message has thinking beside its content, signed or not, that stands in no part of it."""
    return bool(message.reasoning_content or thinking_blocks(message)) and not _stands_in_parts(message)


def continues_unsigned(turns: Sequence[AnthropicMessage]) -> bool:
    """Whether the turn to go on with has none of its thinking: an answer that was begun, or a loop of tools.
    Anthropic refuses such a turn with a budget of thinking. The loop goes back to the last message of the
    user that holds more than results."""
    if not turns:
        return False
    at = len(turns) - 1
    if turns[at].role == "user":
        if not _has_results(turns[at]):
            return False
        at -= 1
    if at < 0 or turns[at].role != "assistant":
        return False
    last = turns[at]
    while at >= 2 and _has_results(turns[at - 1]):
        at -= 2
    return not (_begins_with_thinking(last) or _begins_with_thinking(turns[at]))


def _has_results(turn: AnthropicMessage) -> bool:
    return any(block.kind == "tool_result" for block in turn.content)


def _begins_with_thinking(turn: AnthropicMessage) -> bool:
    return bool(turn.content) and turn.content[0].kind in (THINKING, REDACTED)


def _stands_in_parts(message: Message) -> bool:
    parts = message.content if isinstance(message.content, list) else ()
    return any(part.kind in (THINKING, REDACTED) for part in parts)
