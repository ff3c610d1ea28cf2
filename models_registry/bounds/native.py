"""Upper bounds of a call that goes to its provider as it came, on a surface that is not chat.

A body that turns can't hold (the provider's own tools, references) is judged by the fields of its surface.
What they say of the cost is put into a question of chat with the same bounds, so that one code (`ChatBounds`)
says what a call can use. The body is judged when a bound is asked for: most calls are under no budget.
"""

from collections.abc import Callable, Mapping

import msgspec

from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.judgement import Unbounded
from models_registry.bounds.text import TextBounds
from models_registry.target import Target
from schema.chat import ChatRequest, Message, Part

FILLER = "."
PICTURE = "https://picture.invalid"


class NativeQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a body says of its cost."""

    text_bytes: int
    """The bytes of everything that the model may read, tools and pictures apart."""
    images: int = 0
    tools: tuple[msgspec.Raw, ...] = ()
    """The tools that the caller runs."""
    fields: Mapping[str, msgspec.Raw] = {}
    """Further fields with a bound, by their names in chat: `max_tokens`, `response_format`, `service_tier`
    ..."""
    unbounded: Unbounded | None = None
    """The first part of the body without a known bound."""


class NativeBounds(ChatBounds):
    """The most that such a call can use at one deployment."""

    __slots__ = ("_question", "_read")

    def __init__(self, read: Callable[[], NativeQuestion], target: Target) -> None:
        """`read` judges the body. It is called once, when a bound is asked for. `target` has its parameters
        in the surface's own words, and they are judged with the body."""
        self._read = read
        self._target = target

    def unbounded_field(self) -> Unbounded | None:
        """See ChatBounds."""
        found = super().unbounded_field()
        return self._question.unbounded or found

    def __getattr__(self, name: str) -> object:
        """Judge the body, since an attribute that judging sets is asked for."""
        if name not in (*TextBounds.__slots__, *ChatBounds.__slots__, "_question"):
            raise AttributeError(name)
        question = self._read()
        self._question = question
        super().__init__(_shadow(question, self._target), msgspec.structs.replace(self._target, params={}))
        return getattr(self, name)

    def cap(self, tokens: int) -> None:
        """See ChatBounds."""
        _ = self._judged
        super().cap(tokens)


def _shadow(question: NativeQuestion, target: Target) -> ChatRequest:
    """A question of chat with the same bounds."""
    parts = [Part(kind="text", text=FILLER * question.text_bytes)]
    parts += [Part(kind="image_url", image_url=PICTURE)] * question.images
    fields = dict(question.fields)
    fields["model"] = _raw(target.model)
    fields["messages"] = _raw([Message(role="user", content=parts if question.images else parts[0].text)])
    if question.tools:
        fields["tools"] = _raw([{"type": "function", "function": tool} for tool in question.tools])
    request = ChatRequest(
        model=target.model, messages=msgspec.json.decode(fields["messages"], type=list[Message])
    )
    request.with_raw(fields)
    return request


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
