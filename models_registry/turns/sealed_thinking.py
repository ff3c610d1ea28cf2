"""Thinking that is sent back, inside of a reasoning item's `encrypted_content`.

A provider that signs its thinking wants to see it again unchanged, with the signature. A client that keeps
its conversation itself (`store: false`) sends reasoning items back as they came. So their `encrypted_content`
holds the thinking as the core has it: a block of `thinking_blocks`, or plain thinking that nobody signed.
The text is opaque and no secret: its client has read the thinking, and the provider checks the signature.
"""

import base64
import binascii
import zlib

import msgspec

from schema.chat import ThinkingBlock

SEAL = "swg1."
MAX_UNSEALED_BYTES = 8 * 1024 * 1024
"""The most bytes that the sealed texts of one conversation may unfold to, together. A short text unfolds to
a thousand times its length."""
UNSIGNED = "reasoning"
"""The kind of a block that nobody signed. Its text stands in `thinking`."""
_BLOCKS = msgspec.json.Decoder(ThinkingBlock)


def sealed(block: ThinkingBlock) -> str:
    """The block as one opaque text."""
    packed = zlib.compress(msgspec.json.encode(block), 6)
    return SEAL + base64.urlsafe_b64encode(packed).decode()


class TooMuchThinking(Exception):
    """The sealed texts of one conversation unfold to more than MAX_UNSEALED_BYTES."""


class Unsealing:
    """Unseals the thinking of one conversation, and counts what it unfolds to."""

    def __init__(self) -> None:
        self._left = MAX_UNSEALED_BYTES

    def block_of(self, text: str) -> ThinkingBlock | None:
        """The block in a sealed text. None: another gateway or provider made it, or it was changed. Raises
        TooMuchThinking."""
        if not text.startswith(SEAL):
            return None
        try:
            unpacking = zlib.decompressobj()
            packed = base64.b64decode(text[len(SEAL) :], altchars=b"-_", validate=True)
            found = unpacking.decompress(packed, self._left + 1)
            self._left -= len(found)
            if self._left < 0:
                raise TooMuchThinking
            return _BLOCKS.decode(found) if unpacking.eof else None
        except (binascii.Error, ValueError, zlib.error, msgspec.DecodeError, RecursionError):
            return None
