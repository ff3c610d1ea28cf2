"""A conversation in Cohere's form. It is near to OpenAI's. An answer that called tools may have a plan beside
the calls, and thinking is a part of the content."""

import msgspec

from models_registry.backends.changes import Changes, MessageFields
from models_registry.backends.content import FOLLOWS, address, function_of, parts_of, role_of, thinking_text
from schema.chat import ImageUrl, Message, Part
from schema.dialects.cohere import (
    CohereFunction,
    CohereImage,
    CohereMessage,
    CoherePart,
    CohereToolCall,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter

FIELDS = MessageFields.with_more()
PLACES = ("http://", "https://", "data:")


def conversation(messages: list[Message], changes: Changes, *, thinks: bool) -> list[CohereMessage]:
    """The messages in Cohere's form. `thinks`: the model takes the thinking of its earlier answers. What has
    no place is left out and named in `changes`. Raises InvalidRequest or UnsupportedParameter, which name the
    message."""
    if not messages:
        raise InvalidRequest("'messages' must not be empty.", param="messages")
    found: list[CohereMessage] = []
    pictures: list[CoherePart] = []
    for i, each in enumerate(messages):
        made = _message(each, f"messages[{i}]", changes, thinks=thinks)
        if pictures and made.role != "tool":
            found.append(CohereMessage(role="user", content=pictures))
            pictures = []
        if made.role == "tool" and isinstance(made.content, list):
            made, shown = _without_pictures(made, made.content)
            pictures = [*pictures, *shown]
        found.append(made)
    if pictures:
        found.append(CohereMessage(role="user", content=pictures))
    return found


def _without_pictures(
    result: CohereMessage, parts: list[CoherePart]
) -> tuple[CohereMessage, list[CoherePart]]:
    """A tool's result, which can hold text alone, and its pictures, which follow in a message of the user."""
    pictures = [part for part in parts if part.kind == "image_url"]
    if not pictures:
        return result, []
    texts = [part.text or "" for part in parts if part.kind == "text"]
    return msgspec.structs.replace(result, content="\n".join(texts) or FOLLOWS), pictures


def _message(message: Message, where: str, changes: Changes, *, thinks: bool) -> CohereMessage:
    role = role_of(message, where, changes)
    if role == "tool" and not message.tool_call_id:
        raise InvalidRequest(f"'{where}.tool_call_id' is missing.", param=f"{where}.tool_call_id")
    parts: list[CoherePart] = []
    for j, each in enumerate(parts_of(message.content)):
        parts += _part(each, f"{where}.content[{j}]", changes)
    if message.refusal:
        parts.append(CoherePart(kind="text", text=message.refusal))
    calls = _calls(message, where, changes) if role == "assistant" else []
    thinking = thinking_text(message) if role == "assistant" else None
    plan = thinking if calls else None
    if thinking and not calls:
        if thinks:
            parts.insert(0, CoherePart(kind="thinking", thinking=thinking))
        else:
            changes.add("messages.reasoning_content")
    return CohereMessage(
        role=role,
        content=_content(parts, has_calls=bool(calls)),
        tool_plan=plan,
        tool_calls=calls or None,
        tool_call_id=message.tool_call_id if role == "tool" else None,
    )


def _content(parts: list[CoherePart], *, has_calls: bool) -> str | list[CoherePart] | None:
    """One text as a text. An answer that called tools may have no content."""
    if not parts:
        return None if has_calls else ""
    if len(parts) == 1 and parts[0].kind == "text":
        return parts[0].text
    return parts


def _calls(message: Message, where: str, changes: Changes) -> list[CohereToolCall]:
    found = []
    for j, call in enumerate(message.tool_calls or ()):
        at = f"{where}.tool_calls[{j}]"
        name, arguments = function_of(call, at, changes)
        if not call.id:
            raise InvalidRequest(f"'{at}.id' is missing.", param=f"{at}.id")
        function = CohereFunction(name=name, arguments=bytes(arguments).decode())
        found.append(CohereToolCall(id=call.id, function=function))
    return found


def _part(part: Part, where: str, changes: Changes) -> list[CoherePart]:
    match part.kind:
        case "text" if part.text is not None:
            return [CoherePart(kind="text", text=part.text)]
        case "refusal" if part.refusal is not None:
            return [CoherePart(kind="text", text=part.refusal)]
        case "thinking" | "redacted_thinking":
            changes.add("messages.content.thinking")
            return []
        case "image_url":
            return [CoherePart(kind="image_url", image_url=_image(part.image_url, f"{where}.image_url"))]
        case kind:
            raise UnsupportedParameter(
                f"'{where}' is a part of type '{kind}', which the provider does not take.",
                param=f"{where}.{kind}",
            )


def _image(image: ImageUrl | str | None, where: str) -> CohereImage:
    url = address(image, where)
    if not url[:8].lower().startswith(PLACES):
        raise UnsupportedParameter(f"'{where}' must be an http(s) address or a data URI.", param=where)
    return CohereImage(url=url, detail=image.detail if isinstance(image, ImageUrl) else None)
