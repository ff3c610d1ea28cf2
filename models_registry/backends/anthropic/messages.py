"""A conversation in Anthropic's form: system text apart, and user and assistant in turns.

Neighbouring messages of one role become one message. So the results of parallel tool calls stand together in
the message after the calls, as Anthropic demands.
"""

import msgspec

from models_registry.backends.content import address, data_uri, function_of, parts_of, refuse_legacy
from schema.chat import Message, Part
from schema.dialects.anthropic import AnthropicMessage, AnthropicSource, Block
from schema.errors import InvalidRequest, UnsupportedParameter
from schema.wire import present

SYSTEM_ROLES = frozenset({"system", "developer"})


class _File(msgspec.Struct, frozen=True):
    file_data: str | None = None


def conversation(messages: list[Message]) -> tuple[list[Block], list[AnthropicMessage]]:
    """The system blocks, and the turns. A participant's `name`, an image's `detail` and earlier reasoning
    without its signature have no place in Anthropic's messages and are left out. Raises InvalidRequest or
    UnsupportedParameter, which name the message."""
    system: list[Block] = []
    turns: list[AnthropicMessage] = []
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if message.role in SYSTEM_ROLES:
            system += _texts(message, where)
            continue
        role, blocks = _turn(message, where)
        if turns and turns[-1].role == role:
            turns[-1].content.extend(blocks)
        elif blocks:
            turns.append(AnthropicMessage(role=role, content=blocks))
    if not turns:
        raise InvalidRequest("'messages' must hold a message of the user.", param="messages")
    return system, turns


def _turn(message: Message, where: str) -> tuple[str, list[Block]]:
    refuse_legacy(message, where)
    match message.role:
        case "user":
            blocks = _blocks(message, where)
            if not blocks:
                raise InvalidRequest(f"'{where}.content' must not be empty.", param=f"{where}.content")
            return "user", blocks
        case "assistant":
            return "assistant", _blocks(message, where) + _calls(message, where)
        case "tool":
            return "user", [_result(message, where)]
        case _:
            raise UnsupportedParameter(
                f"'{where}.role' is '{message.role}', which the provider does not know.",
                param=f"{where}.role",
            )


def _calls(message: Message, where: str) -> list[Block]:
    blocks = []
    for j, call in enumerate(message.tool_calls or ()):
        at = f"{where}.tool_calls[{j}]"
        name, arguments = function_of(call, at)
        if not call.id:
            raise InvalidRequest(f"'{at}.id' is missing.", param=f"{at}.id")
        blocks.append(Block(kind="tool_use", id=call.id, name=name, input=arguments))
    return blocks


def _result(message: Message, where: str) -> Block:
    if not message.tool_call_id:
        raise InvalidRequest(f"'{where}.tool_call_id' is missing.", param=f"{where}.tool_call_id")
    return Block(
        kind="tool_result",
        tool_use_id=message.tool_call_id,
        content=message.content if isinstance(message.content, str) else _blocks(message, where),
    )


def _texts(message: Message, where: str) -> list[Block]:
    blocks = _blocks(message, where)
    for j, block in enumerate(blocks):
        if block.kind != "text":
            raise UnsupportedParameter(
                f"'{where}.content[{j}]' must be text in a {message.role} message.",
                param=f"{where}.content[{j}]",
            )
    return blocks


def _blocks(message: Message, where: str) -> list[Block]:
    """The content of a message as blocks. Empty texts are left out, since Anthropic refuses them."""
    blocks = [
        _block(part, f"{where}.content[{j}]")
        for j, part in enumerate(parts_of(message.content))
        if not (part.kind == "text" and part.text == "")
    ]
    if message.refusal:
        blocks.append(Block(kind="text", text=message.refusal))
    return blocks


def _block(part: Part, where: str) -> Block:
    match part.kind:
        case "text" if part.text is not None:
            return Block(kind="text", text=part.text, cache_control=part.cache_control)
        case "refusal" if part.refusal is not None:
            return Block(kind="text", text=part.refusal, cache_control=part.cache_control)
        case "image_url":
            source = _image(address(part.image_url, f"{where}.image_url"), f"{where}.image_url")
            return Block(kind="image", source=source, cache_control=part.cache_control)
        case "file" if present(part.file):
            return Block(
                kind="document", source=_document(part.file, where), cache_control=part.cache_control
            )
        case kind:
            raise UnsupportedParameter(
                f"'{where}' is a part of type '{kind}', which the provider does not take.",
                param=f"{where}.{kind}",
            )


def _image(url: str, where: str) -> AnthropicSource:
    inline = data_uri(url, where)
    if inline is not None:
        return AnthropicSource(kind="base64", media_type=inline.media_type, data=inline.data)
    if url.lower().startswith(("http://", "https://")):
        return AnthropicSource(kind="url", url=url)
    raise UnsupportedParameter(f"'{where}' must be an http(s) address or a data URI.", param=where)


def _document(raw: msgspec.Raw, where: str) -> AnthropicSource:
    try:
        text = msgspec.json.decode(raw, type=_File).file_data
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"'{where}.file' is malformed: {exc}", param=f"{where}.file") from exc
    inline = data_uri(text, f"{where}.file.file_data") if text else None
    if inline is None or inline.media_type != "application/pdf":
        raise UnsupportedParameter(
            f"'{where}.file' must have 'file_data': a PDF as a data URI in base64.", param=f"{where}.file"
        )
    return AnthropicSource(kind="base64", media_type=inline.media_type, data=inline.data)
