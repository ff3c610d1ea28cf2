"""The OpenAPI 3.1 document, made from the manifests and their request and reply Structs."""

import types
import typing
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from functions.answers.downloads import MEDIA_TYPES
from functions.contract.function import Download, EventStream, Manifest, RawReply, TextReply
from functions.contract.roles import Access
from functions.contract.visit import Redirect, WebPage
from runtime.catalog import Entry
from schema.errors.forms import WireError
from schema.health import VERSION
from schema.scim import SCIM_JSON

JsonDocument = dict[str, Any]  # a JSON document has values of any type
NOT_JSON = (EventStream, Download, TextReply, RawReply, WebPage, Redirect)
"""The answers of functions that are no JSON."""
REF = "#/components/schemas/{name}"
STATUSES = MappingProxyType(
    {"400": "A bad request", "401": "No valid key", "403": "Not allowed", "404": "No such thing"}
)


def openapi_document(entries: Sequence[Entry], root_path: str = "") -> JsonDocument:
    """The whole document as JSON data. `root_path` is the path under which a proxy shows the gateway, such as
    `/llm`."""
    manifests = [entry.manifest for entry in entries]
    kinds: list[Any] = [manifest.request for manifest in manifests]
    for manifest in manifests:
        kinds.extend((_error_kind(manifest), *_reply_kinds(manifest)))
    schemas, components = _as_sent(msgspec.json.schema_components(kinds, ref_template=REF))
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, JsonDocument] = {}
    for manifest in manifests:
        for path in (manifest.path, *manifest.aliases):
            item = paths.setdefault(path.replace(":path}", "}"), {})
            item[manifest.method.lower()] = _operation(manifest, path, by_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Switchgear", "version": VERSION, "description": "One API for every model."},
        **({"servers": [{"url": root_path}]} if root_path else {}),
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A gateway key"}},
        },
    }


def _as_sent(made: Any) -> Any:
    """A schema with decimals as they are sent: dollars are numbers. msgspec calls each decimal a text."""
    if isinstance(made, dict):
        if made.get("format") == "decimal":
            return {**made, "type": "number"}
        return {name: _as_sent(value) for name, value in made.items()}
    if isinstance(made, list | tuple):
        return type(made)(map(_as_sent, made))
    return made


def _operation(
    manifest: Manifest, path: str, by_kind: dict[Any, JsonDocument], components: JsonDocument
) -> JsonDocument:
    operation: JsonDocument = {
        "operationId": manifest.name if path == manifest.path else f"{manifest.name}{path.replace('/', '.')}",
        "summary": manifest.summary,
        "tags": [manifest.family],
        "responses": {"200": _answer(manifest, by_kind)},
    }
    if path != manifest.path:
        operation["x-alias-of"] = manifest.path.replace(":path}", "}")
    if manifest.access is not Access.OPEN:
        operation["security"] = [{"key": []}]
    for status, text in STATUSES.items():
        error = _error_kind(manifest)
        content = {error.media_type: {"schema": by_kind[error]}}
        if manifest.pages:
            content["text/html"] = _text()
        operation["responses"][status] = {"description": text, "content": content}
    parameters = list(_parameters(manifest, path, components))
    if manifest.method != "GET":
        parameters = [each for each in parameters if each["in"] == "path"]
    if parameters or manifest.method == "GET":
        operation["parameters"] = parameters
    if manifest.method != "GET":
        content = {"application/json": {"schema": by_kind[manifest.request]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(manifest: Manifest, by_kind: dict[Any, JsonDocument]) -> JsonDocument:
    plain = [by_kind[kind] for kind in _reply_kinds(manifest)]
    schema: JsonDocument = plain[0] if len(plain) == 1 else {"anyOf": plain}
    content: JsonDocument = {"application/json": {"schema": schema}} if plain else {}
    members = _members(manifest.reply)
    if TextReply in members:
        content["text/plain"] = _text()
    if Download in members:
        content |= {kind.partition(";")[0]: _text() for kind in MEDIA_TYPES.values()}
    if {WebPage, Redirect} & set(members):
        content["text/html"] = _text()
        content.setdefault("application/json", {"schema": {"type": "object"}})  # for who wants no page
    if RawReply in members:
        content[SCIM_JSON] = {"schema": {"type": "object"}}
    if EventStream in members:
        content["text/event-stream"] = _text()
    return {"description": "The answer", "content": content}


def _text() -> JsonDocument:
    return {"schema": {"type": "string"}}


def _parameters(manifest: Manifest, path: str, components: JsonDocument) -> Iterable[JsonDocument]:
    schema = components[manifest.request.__name__]
    for name, kind in schema["properties"].items():
        in_path = f"{{{name}" in path
        yield {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in schema.get("required", []),
            "schema": kind,
        }


def _reply_kinds(manifest: Manifest) -> list[Any]:
    return [kind for kind in _members(manifest.reply) if kind not in NOT_JSON]


def _error_kind(manifest: Manifest) -> type[WireError]:
    kind: type[WireError] = typing.get_type_hints(manifest.error_form)["return"]
    return kind


def _members(kind: Any) -> tuple[Any, ...]:
    """The members of a union type. Another type is its own only member."""
    return typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
