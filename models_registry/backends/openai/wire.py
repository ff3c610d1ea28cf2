"""Requests and answers of OpenAI's dialect, as all its surfaces make and read them."""

from urllib.parse import quote

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.error_bodies import tells_error
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.parameters import add_defaults, keep_metadata_here, take_gateway_fields
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.errors.upstream import UpstreamMalformed
from schema.wire import present

ANSWERS = frozenset({"choices", "data"})
"""The fields of a chat completion and of a list of embeddings. An object with neither may be an error."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
FOREIGN = ("anthropic-",)
"""How the names of headers begin that are other providers' own."""


def outgoing(fields: dict[str, msgspec.Raw], target: Target, *, stored_there: bool) -> dict[str, msgspec.Raw]:
    """The fields that go to the provider: the caller's without the gateway's own, `model` by the provider's
    name, and the deployment's parameters. `stored_there`: the provider keeps `metadata` with an answer that
    it stores."""
    take_gateway_fields(fields, target)
    fields["model"] = msgspec.Raw(msgspec.json.encode(target.model))
    add_defaults(fields, target)
    keep_metadata_here(fields, stored_there=stored_there)
    return fields


def address_of(target: Target, path: str) -> str:
    """The address of an operation, such as `/chat/completions`."""
    if not (target.path_prefix or target.query):
        return target.api_base + path
    prefix = target.path_prefix.replace("{model}", quote(target.model, safe=""))
    return f"{target.api_base}{prefix}{path}{target.query}"


def post(path: str, fields: dict[str, msgspec.Raw], target: Target, facts: CallFacts) -> UpstreamRequest:
    """A request with these fields to an operation."""
    url = address_of(target, path)
    headers = upstream_headers(target, facts, credential=bearer(target), foreign=FOREIGN)
    return UpstreamRequest(
        url=url, headers=headers, body=msgspec.json.encode(fields), tls=target.tls, signing=target.signing
    )


def fields_of(body: bytes, target: Target) -> dict[str, msgspec.Raw]:
    """The fields of an answer. Raises UpstreamMalformed for what is no object, and the mapped error for an
    `error` in it."""
    try:
        fields = decoded(_FIELDS, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UpstreamMalformed("The provider's answer is not a JSON object.") from exc
    error = fields.get("error")
    may_fail = (error is not None and present(error)) or not ANSWERS.intersection(fields)
    if may_fail and tells_error(body):
        raise error_instead(body, target, "The provider's answer is an error.")
    return fields
