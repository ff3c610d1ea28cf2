"""What an answer is made of, in the words of no dialect. A backend's parser makes events, and a front's
writer puts them into its own form.

A whole answer is the same events as its stream, with longer pieces. Neighbouring pieces of one kind belong
together. A piece of another kind ends what came before; so does a signature, which is the last piece of its
thinking.
"""

import enum

import msgspec

from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present


class StopReason(enum.Enum):
    """Why an answer ended."""

    END = "end"
    SEQUENCE = "sequence"
    """The model wrote one of the request's stop sequences."""
    LENGTH = "length"
    """The limit on the output."""
    CONTEXT = "context"
    """The model's context is full."""
    TOOLS = "tools"
    """The model waits for the results of its tool calls."""
    PAUSE = "pause"
    """The provider's own tools ran for long: the conversation goes on when the answer is sent back."""
    FILTER = "filter"
    """The provider's content policy, or a refusal."""


class Began(msgspec.Struct, frozen=True, gc=False):
    """The answer begins. It is the first event."""

    id: str = ""
    """The provider's own id. Empty: it has none, or it comes too late."""
    model: str = ""
    """The model as the provider names it, such as `gpt-4o-2024-08-06`. Empty: it does not say."""
    usage: Usage | None = None
    """What is known of the usage by now: the input. None: nothing."""
    created: int = 0
    """Unix time in seconds. 0: the provider does not say."""


class Text(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str
    logprobs: MaybeRaw = ABSENT
    """OpenAI's object: `{"content": [...], "refusal": null}`."""
    begins: bool = False
    """Whether a part of its own begins here. False: the piece goes on with the text before it, if there is
    some."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A piece of the text with which the model refuses to answer."""

    text: str


class Thought(msgspec.Struct, frozen=True, gc=False):
    """A piece of thinking: text, the signature that ends it, or both."""

    text: str = ""
    signature: str = ""
    """What the provider wants to see again beside the text. Empty: it comes later, or there is none."""
    is_signed: bool = False
    """Whether the provider signs its thinking, so that a signature comes at its end."""


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """Thinking that only its provider can read. It can be sent back."""

    data: str


class Cited(msgspec.Struct, frozen=True, gc=False):
    """A source of the text that stands open."""

    source: msgspec.Raw
    """The citation as the provider has it: a JSON object."""
    url: str = ""
    title: str = ""


class ToolBegan(msgspec.Struct, frozen=True, gc=False):
    """A call of a tool begins. `index` counts the tool calls of the answer from 0."""

    index: int
    id: str
    name: str


class ToolArguments(msgspec.Struct, frozen=True, gc=False):
    """A piece of a tool call's arguments: JSON as text. Calls may be interleaved. A call without arguments
    has `{}`."""

    index: int
    text: str


class Media(msgspec.Struct, frozen=True, gc=False):
    """A picture or sound of the answer, or a piece of one, in OpenAI's form: the field of the message or
    delta (`images`, `audio`), and its value."""

    name: str
    value: msgspec.Raw


class Pinged(msgspec.Struct, frozen=True, gc=False):
    """The provider keeps the connection alive. Nothing was said."""


class Unshown(msgspec.Struct, frozen=True, gc=False):
    """Output that no client sees, such as the input of the provider's own tools. It counts."""

    size: int
    """Bytes of UTF-8."""


class Counted(msgspec.Struct, frozen=True, gc=False):
    """The provider's report of the usage so far."""

    usage: Usage


class Stopped(msgspec.Struct, frozen=True, gc=False):
    """The answer's last piece has come. Only `Counted` may follow."""

    reason: StopReason
    sequence: str | None = None
    """The stop sequence that the model wrote."""


AnswerEvent = (
    Began
    | Text
    | Refused
    | Thought
    | Sealed
    | Cited
    | ToolBegan
    | ToolArguments
    | Media
    | Pinged
    | Unshown
    | Counted
    | Stopped
)


def with_logprobs(events: list[AnswerEvent], logprobs: MaybeRaw) -> list[AnswerEvent]:
    """The events with these log probabilities at the last text among them. Events without a text stay as they
    are."""
    at = next((i for i in reversed(range(len(events))) if isinstance(events[i], Text)), None)
    if at is None or not present(logprobs):
        return events
    return [*events[:at], msgspec.structs.replace(events[at], logprobs=logprobs), *events[at + 1 :]]


def said_bytes(event: AnswerEvent) -> int:
    """The UTF-8 length of what the model wrote in an event: text, thinking, names and arguments of tools."""
    if isinstance(event, Text | Refused | Thought | ToolArguments):
        return _length(event.text)
    if isinstance(event, ToolBegan):
        return _length(event.name)
    if isinstance(event, Media):
        return memoryview(event.value).nbytes
    return event.size if isinstance(event, Unshown) else 0


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
