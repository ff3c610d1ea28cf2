"""OpenAI's embeddings. Source: OpenAI's OpenAPI document 2.3.0, `CreateEmbedding*`."""

import msgspec

from schema.wire import Wire


class EmbeddingsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/embeddings. `input` is text, texts, token ids, or lists of token ids."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    """`float` (the default on the wire) or `base64` (what OpenAI's SDKs ask for)."""
    dimensions: int | None = None
    user: str | None = None


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """`embedding` is a list of floats, or base64 of little-endian 32-bit floats."""

    object: str = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int = 0
    total_tokens: int = 0


class EmbeddingList(Wire, frozen=True, kw_only=True, dict=True):
    object: str = ""
    data: list[Embedding]
    model: str = ""
    usage: EmbeddingsUsage | None = None
