"""A conversation in Ollama's form: text as one string, images as bare base64 beside it."""

from models_registry.backends.changes import Changes, MessageFields
from models_registry.backends.content import address, data_uri, function_of, parts_of, role_of, thinking_text
from schema.chat import ImageUrl, Message, Part
from schema.dialects.ollama import OllamaFunction, OllamaMessage, OllamaToolCall
from schema.errors.requests import InvalidRequest, UnsupportedParameter

AUTO = "auto"
FIELDS = MessageFields.with_more(message=("name",))


def conversation(messages: list[Message], changes: Changes) -> list[OllamaMessage]:
    """The messages in Ollama's form. Text parts are joined by line ends. What has no place in Ollama's
    messages, such as a participant's `name`, is left out and named in `changes`. Raises InvalidRequest or
    UnsupportedParameter, which name the message."""
    if not messages:
        raise InvalidRequest("'messages' must not be empty.", param="messages")
    names: dict[str, str] = {}
    return [_message(message, f"messages[{i}]", names, changes) for i, message in enumerate(messages)]


def _message(message: Message, where: str, names: dict[str, str], changes: Changes) -> OllamaMessage:
    """One message in Ollama's form. `names` collects the function's name of each tool call by the call's id,
    since older templates want the name with the result."""
    role = role_of(message, where, changes)
    texts, images = _content(parts_of(message.content), where, changes)
    if message.refusal:
        texts.append(message.refusal)
    calls = []
    for j, call in enumerate(message.tool_calls or ()):
        name, arguments = function_of(call, f"{where}.tool_calls[{j}]", changes)
        if call.id:
            names[call.id] = name
        calls.append(OllamaToolCall(id=call.id, function=OllamaFunction(name=name, arguments=arguments)))
    result_of = message.tool_call_id if role == "tool" else None
    return OllamaMessage(
        role=role,
        content="\n".join(texts),
        thinking=thinking_text(message) if role == "assistant" else None,
        images=images or None,
        tool_calls=calls or None,
        tool_name=names.get(result_of, message.name) if result_of else None,
        tool_call_id=result_of,
    )


def _content(parts: list[Part], where: str, changes: Changes) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    images: list[str] = []
    for j, part in enumerate(parts):
        at = f"{where}.content[{j}]"
        match part.kind:
            case "text" if part.text is not None:
                texts.append(part.text)
            case "refusal" if part.refusal is not None:
                texts.append(part.refusal)
            case "thinking" | "redacted_thinking":
                changes.add("messages.content.thinking")
            case "image_url":
                if isinstance(part.image_url, ImageUrl) and part.image_url.detail not in (None, AUTO):
                    changes.add("messages.content.image_url.detail")
                images.append(_image(part, f"{at}.image_url"))
            case kind:
                raise UnsupportedParameter(
                    f"'{at}' is a part of type '{kind}', which the provider does not take.",
                    param=f"{at}.{kind}",
                )
    return texts, images


def _image(part: Part, where: str) -> str:
    inline = data_uri(address(part.image_url, where), where)
    if inline is None:
        raise UnsupportedParameter(
            f"'{where}' must be a data URI in base64: a local model has no way to fetch an address.",
            param=where,
        )
    return inline.data
