"""The most tokens that an input can have, from its bytes.

A token of a byte-level tokenizer is at least one byte of text, and a text in JSON is at least as long as its
UTF-8. So the bytes of the messages bound their tokens from above. Bytes that are certain to be JSON are taken
off: the names of fields, quotes and braces, which no template passes on. All other bytes count as text:
unknown fields, blanks, escapes.
"""

from typing import NamedTuple

import msgspec

from schema.chat import Message, Part

_LIST_FRAME = len("[]") - len(",")
"""The bytes around the messages: two brackets, less one comma, since `_MESSAGE_FRAME` has a comma for each
message."""
_MESSAGE_FRAME = len('{"role":""},')
_TEXT_FRAME = len(',"content":""')
_PARTS_FRAME = len(',"content":[]') - len(",")
_PART_FRAME = len('{"type":""},')
_PART_TEXT_FRAME = len(',"text":""')
_IMAGE_FRAME = len(',"image_url":{"url":""}')
_BARE_IMAGE_FRAME = len(',"image_url":""')
WORD_CHARS = 9
"""The length of the longest role and kind of part that a template knows (`assistant`, `image_url`). Up to
this length such a word is part of MESSAGE_TOKENS. A longer word may be text."""


ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
BYTES_A_TOKEN = 4
"""About how many bytes of text a token has. It is for estimates, never for bounds."""


class MessageText(NamedTuple):
    """What messages hold: the most bytes of text, and the number of pictures."""

    max_bytes: int
    images: int
    has_parts: bool
    """Whether a message has a content that is no string."""


def text_of(messages: list[Message], raw: msgspec.Raw) -> MessageText:
    """The text of messages in bytes. Pictures are counted, and their bytes are not."""
    frame = _LIST_FRAME + _MESSAGE_FRAME * len(messages)
    images = texts = 0
    for message in messages:
        content, role = message.content, len(message.role)
        frame += role if role < WORD_CHARS else WORD_CHARS
        if isinstance(content, str):
            texts += 1
        elif content is not None:
            frame += _PARTS_FRAME
            for part in content:
                frame += _frame_of(part)
                images += part.image_url is not None
    frame += _TEXT_FRAME * texts
    return MessageText(max(memoryview(raw).nbytes - frame, 0), images, texts < len(messages))


def is_text_alone(messages: list[Message], raw: msgspec.Raw, text: MessageText) -> bool:
    """Whether it is certain that the messages hold nothing but roles and contents that are strings. It is
    certain where each byte beyond the contents is a blank between two values, or the backslash of an escape.
    Another field would bring other bytes. A content with a backslash of its own is not certain, since JSON
    writes it twice."""
    if text.has_parts:
        return False
    contents = [message.content for message in messages if isinstance(message.content, str)]
    more = text.max_bytes - sum(map(_utf8_bytes, contents))
    if more:
        more -= memoryview(raw).nbytes - len(msgspec.json.format(raw, indent=-1))
    if not more:
        return True
    if more != bytes(raw).count(b"\\") or any("\\" in content for content in contents):
        return False
    return all(message.role in ROLES for message in messages)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _frame_of(part: Part) -> int:
    """The bytes of a part that are no text: its frame, and the address or the bytes of a picture."""
    frame = _PART_FRAME + min(len(part.kind), WORD_CHARS)
    if part.text is not None:
        frame += _PART_TEXT_FRAME
    image = part.image_url
    if isinstance(image, str):
        frame += _BARE_IMAGE_FRAME + len(image)
    elif image is not None:
        frame += _IMAGE_FRAME + len(image.url)
    return frame
