"""What a guardrail changes of a request."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from functions.ports.guardrails import Verdict
from models_registry.backends.dropping import WithFields
from models_registry.config.guardrails import Guardrail
from models_registry.contents.texts import RequestTexts
from schema.errors.overload import GuardrailUnavailable

MESSAGES = "messages"
R = TypeVar("R", bound=WithFields)


def remade(request: R, fields: Mapping[str, msgspec.Raw]) -> R:
    """The request with other fields. Texts stand where texts stood, so that each has its type."""
    made = msgspec.json.decode(msgspec.json.encode(fields), type=type(request))
    made.with_raw(fields)
    return made


def fitting(verdict: Verdict, guardrail: Guardrail, shown: msgspec.Raw | None) -> Verdict:
    """The verdict without messages that say what the shown ones say. Raises GuardrailUnavailable where it
    changes nothing but messages that it was not shown."""
    told = verdict.messages
    if told is None:
        return verdict
    if shown is None or "structured_messages" in guardrail.left_out:
        if verdict.texts is None and verdict.images is None:
            raise GuardrailUnavailable(
                f"The guardrail `{guardrail.name}` changes messages that it was not shown."
            )
    elif msgspec.json.decode(told) != msgspec.json.decode(shown):
        return verdict
    return msgspec.structs.replace(verdict, messages=None)


def rewritten(request: R, found: RequestTexts, verdict: Verdict, guardrail: Guardrail) -> R:
    """The request as a guardrail wants it: with its texts and images, else with its messages. Raises
    GuardrailUnavailable for messages that are none."""
    written: Mapping[str, msgspec.Raw] | None = found.changed(
        found.texts if verdict.texts is None else verdict.texts, verdict.images
    )
    if written is None and verdict.messages is not None:
        written = {**request.fields(), MESSAGES: verdict.messages}
    if written is None:
        return request
    try:
        return remade(request, written)
    except msgspec.ValidationError as exc:
        raise GuardrailUnavailable(
            f"The guardrail `{guardrail.name}` gave messages that can't be used."
        ) from exc
