"""What the translations of embeddings share: the texts that are asked for, and the vectors that are told."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from models_registry.backends.parameters import take_gateway_fields, unsupported
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import loosely
from models_registry.backends.vectors import BASE64, as_asked, check_encoding
from models_registry.target import Target
from schema.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import UpstreamMalformed
from schema.usage import Usage
from schema.wire import present

V = TypeVar("V")

OPENAIS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
"""OpenAI's fields. A translation honours more than these where the provider has them."""


def asked_for(
    request: EmbeddingsRequest, target: Target, more: frozenset[str]
) -> tuple[list[str], dict[str, msgspec.Raw]]:
    """The texts, and the fields of the request over those of the config. `more` are the provider's fields
    beside OpenAI's. Raises UnsupportedParameter for token ids, unknown fields and encodings, and
    InvalidRequest for no text."""
    check_encoding(request.encoding_format)
    fields = request.fields()
    take_gateway_fields(fields, target)
    given = {name: raw for name, raw in fields.items() if present(raw)}
    for name in given:
        if name not in OPENAIS and name not in more and not target.drop_params:
            raise unsupported(name, target)
    texts = [request.input] if isinstance(request.input, str) else request.input
    if not texts:
        raise InvalidRequest("'input' must not be empty.", param="input")
    return [_text(each, target) for each in texts], {**target.params, **given}


def _text(item: str | int | list[int], target: Target) -> str:
    if not isinstance(item, str):
        raise unsupported("input", target, "it takes text, not token ids")
    return item


def read_vectors(decoder: msgspec.json.Decoder[V], body: bytes, target: Target) -> V:
    """A provider's answer, where a number may be NaN. Raises the mapped error for an error in a 200, else
    UpstreamMalformed."""
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            found: V = msgspec.convert(loosely(body), decoder.type)
            return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        otherwise = f"The provider's answer is not a list of embeddings: {exc}"
        raise error_instead(body, target, otherwise) from exc


def listed(
    vectors: Sequence[list[float]] | None,
    counted: int | None,
    request: EmbeddingsRequest,
    target: Target,
    *,
    model: str = "",
) -> tuple[EmbeddingList, Usage | None]:
    """The answer, and its usage. `counted` are the tokens that the provider reports; None: it reports none.
    Raises UpstreamMalformed where there is not one vector for each text."""
    asked = 1 if isinstance(request.input, str) else len(request.input)
    if vectors is None or len(vectors) != asked:
        told = 0 if vectors is None else len(vectors)
        raise UpstreamMalformed(f"The provider sent {told} embeddings for {asked} texts.")
    encoding = BASE64 if request.encoding_format == BASE64 else None
    answer = EmbeddingList(
        object="list",
        data=[as_asked(Embedding(index=i, embedding=vector), encoding) for i, vector in enumerate(vectors)],
        model=model or target.model,
        usage=EmbeddingsUsage(prompt_tokens=counted or 0, total_tokens=counted or 0),
    )
    return answer, None if counted is None else Usage(prompt_tokens=counted)
