"""Embeddings as floats or as base64 of little-endian 32-bit floats, whichever was asked for."""

import base64
import binascii
import math
import struct
from collections.abc import Sequence

import msgspec

from schema.embeddings import Embedding
from schema.errors.requests import UnsupportedParameter
from schema.errors.upstream import UpstreamMalformed

FLOAT = "float"
BASE64 = "base64"


def check_encoding(encoding_format: str | None) -> None:
    """Raises UnsupportedParameter for a format that isn't OpenAI's."""
    if encoding_format not in (None, FLOAT, BASE64):
        raise UnsupportedParameter(
            f"'encoding_format' must be '{FLOAT}' or '{BASE64}', not '{encoding_format}'.",
            param="encoding_format",
        )


def as_asked(embedding: Embedding, encoding_format: str | None) -> Embedding:
    """The embedding in the format asked for. An embedding that already has it is given back itself."""
    vector = embedding.embedding
    if encoding_format == BASE64 and not isinstance(vector, str):
        return msgspec.structs.replace(embedding, embedding=pack(vector))
    if encoding_format == FLOAT and isinstance(vector, str):
        return msgspec.structs.replace(embedding, embedding=unpack(vector))
    return embedding


def pack(vector: Sequence[float]) -> str:
    """The floats as base64. Raises UpstreamMalformed for a number that 32 bits can't hold."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError) as exc:
        raise UpstreamMalformed("The provider sent an embedding with a number out of range.") from exc


def unpack(text: str) -> list[float]:
    """The floats in a text of base64. Raises UpstreamMalformed where it is not base64 of finite 32-bit
    floats."""
    try:
        packed = base64.b64decode(text, validate=True)
        vector = list(struct.unpack(f"<{len(packed) // 4}f", packed))
    except (binascii.Error, struct.error, ValueError) as exc:
        raise UpstreamMalformed("The provider sent an embedding that is not base64 of floats.") from exc
    if not all(map(math.isfinite, vector)):
        raise UpstreamMalformed("The provider sent an embedding with a number that is not finite.")
    return vector
