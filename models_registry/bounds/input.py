"""How many tokens an input can be at most, from its bytes.

A token of a byte-level tokenizer is at least one byte of text, and a text in JSON is at least as long as its
UTF-8. So the bytes of the messages bound their tokens from above, less those that are certain to be JSON: the
names of fields, quotes and braces, which no template passes on. What is not certain counts as text: fields
that nobody knows, blanks, escapes.
"""

from typing import NamedTuple

import msgspec

from schema.chat import Message, Part

_LIST_FRAME = len("[]") - len(",")
"""Bytes around n messages: the brackets, and one comma less than there are messages."""
_MESSAGE_FRAME = len('{"role":""},')
_TEXT_FRAME = len(',"content":""')
_PARTS_FRAME = len(',"content":[]') - len(",")
_PART_FRAME = len('{"type":""},')
_PART_TEXT_FRAME = len(',"text":""')
_IMAGE_FRAME = len(',"image_url":{"url":""}')
_BARE_IMAGE_FRAME = len(',"image_url":""')
WORD_CHARS = 9
"""The longest role or kind of part that a template knows (`assistant`, `image_url`) is part of
MESSAGE_TOKENS; a longer one may be text."""


ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
BYTES_A_TOKEN = 4
"""What text has, more or less: for estimates, never for bounds."""


class MessageText(NamedTuple):
    """The text of messages."""

    max_bytes: int
    images: int
    has_parts: bool
    """Whether a message has a content that is no string."""


def text_of(messages: list[Message], raw: msgspec.Raw) -> MessageText:
    """The text of messages, in bytes; pictures are counted and not measured."""
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
    """Whether it is certain that nothing was sent but roles and contents that are strings: each byte more is
    a blank between two values, or a backslash before a character. A field more has other bytes, and no
    content or role here has a backslash of its own, of which JSON makes two."""
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
