"""A whole answer in OpenAI's dialect: how much of it the model said."""

import msgspec

from models_registry.backends.openai.lengths import DeltaFields, length_of
from models_registry.backends.tolerance import decoded
from schema.chat import ChatCompletion


class _ToldChoice(msgspec.Struct, gc=False):
    message: DeltaFields | None = None


class _ToldAnswer(msgspec.Struct, gc=False):
    choices: list[_ToldChoice]


_ANSWERS = msgspec.json.Decoder(_ToldAnswer)


def told_bytes(completion: ChatCompletion) -> int | None:
    """The bytes of everything that the model wrote in a whole answer, counted as in a stream. None: the
    answer has another shape."""
    try:
        choices = decoded(_ANSWERS, completion.wire or msgspec.json.encode(completion)).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return sum(length_of(choice.message) for choice in choices if choice.message is not None)
