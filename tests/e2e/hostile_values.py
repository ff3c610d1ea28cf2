"""Sends values that no column or type can hold to every function of the catalogue, one field at a time."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import msgspec
from msgspec import inspect

from functions.contract.function import EventStream
from functions.contract.roles import Access
from runtime.catalog import Entry, entries
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import closed_port

MODELS: Mapping[str, dict[str, object]] = {
    "by-openai": {"model": "openai/gpt-4.1"},
    "by-anthropic": {"model": "anthropic/claude-sonnet-4-5"},
    "by-gemini": {"model": "gemini/gemini-2.5-flash"},
    "by-cohere": {"model": "cohere/command-a-03-2025"},
    "by-ollama": {"model": "ollama/llama3"},
    "by-bedrock": {"model": "bedrock/anthropic.claude-3-haiku-20240307-v1:0", "aws_region_name": "us-east-1"},
}
"""A model of each dialect, at an address where nobody answers."""
USUAL: Mapping[str, object] = {
    "messages": [{"role": "user", "content": "Hi"}],
    "input": "Hi",
    "prompt": "Hi",
    "max_tokens": 5,
}
FAULT = "The gateway failed"
"""What a client is told of an exception that nobody expected. A provider that is away is a 500 too, as in
LiteLLM."""
BREAKS_THE_REST = {"login.logout", "sessions.delete_all", "cache.flushall"}
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Hostile(NamedTuple):
    """A value, as JSON and as it stands in a query or a path."""

    json: str
    text: str


NUL = Hostile('"a\\u0000b"', "a%00b")
SURROGATE = Hostile('"a\\ud800b"', "a%ED%A0%80b")
LARGE = Hostile("9" * 30, "9" * 30)
FEW = (NUL, LARGE)
"""Those that found something once."""
MANY = (
    *FEW,
    SURROGATE,
    Hostile("-1", "-1"),
    Hostile("1e308", "1e308"),
    Hostile('""', ""),
    Hostile("[]", "[]"),
    Hostile('{"a": {"b": [null]}}', "%7B%7D"),
    Hostile("null", "null"),
    Hostile('"' + "\U0001f984" * 300 + '"', quote("\U0001f984" * 300)),
    Hostile("9223372036854775807", "9223372036854775807"),
    Hostile('"0001-01-01"', "0001-01-01"),
    Hostile('"9999-12-31T23:59:59+14:00"', "9999-12-31T23%3A59%3A59%2B14%3A00"),
)


class Shot(NamedTuple):
    """One request."""

    function: str
    method: str
    path: str
    body: bytes | None


def shots(values: Sequence[Hostile], models: Sequence[str]) -> Iterator[Shot]:
    """Each field and each path parameter of each function with each value. What calls a model calls each of
    these."""
    for entry in entries():
        manifest = entry.manifest
        if manifest.name in BREAKS_THE_REST or manifest.reply is EventStream:
            continue
        for model in models if manifest.access is Access.MODEL else ("",):
            yield from _shots(entry, values, {**USUAL, "model": model})


def _shots(entry: Entry, values: Sequence[Hostile], usual: Mapping[str, object]) -> Iterator[Shot]:
    manifest = entry.manifest
    fields = msgspec.structs.fields(manifest.request)
    required = {
        field.encode_name: usual.get(field.encode_name) or _plausible(field.type)
        for field in fields
        if field.required
    }
    in_path = PARAMETER.findall(manifest.path)
    whole = PARAMETER.sub(lambda _: f"x-{uuid.uuid4().hex[:8]}", manifest.path)
    for value in values:
        # a number that is too large says nothing of a text
        asked = [each for each in fields if value is not LARGE or _takes_numbers(each.type)]
        for name in in_path if value is not LARGE else ():
            path = manifest.path.replace(f"{{{name}}}", value.text).replace(f"{{{name}:path}}", value.text)
            path = PARAMETER.sub("x", path)
            body = None if manifest.method == "GET" else msgspec.json.encode(required)
            yield Shot(manifest.name, manifest.method, path, body)
        for field in asked:
            name = field.encode_name
            if name in in_path:
                continue
            if manifest.method == "GET":
                others = "".join(f"&{other}={told}" for other, told in required.items() if other != name)
                yield Shot(manifest.name, "GET", f"{whole}?{name}={value.text}{others}", None)
                continue
            beside = {other: told for other, told in required.items() if other != name}
            told = {**beside, name: msgspec.Raw(value.json.encode())}
            yield Shot(manifest.name, manifest.method, whole, msgspec.json.encode(told))


def _takes_numbers(kind: Any) -> bool:  # a type
    found = inspect.type_info(kind)
    kinds = found.types if isinstance(found, inspect.UnionType) else (found,)
    return any(isinstance(each, inspect.IntType | inspect.FloatType | inspect.AnyType) for each in kinds)


def _plausible(kind: Any) -> Any:  # a type, and a value of it
    """A value that a required field takes."""
    match inspect.type_info(kind):
        case inspect.StrType():
            return f"x-{uuid.uuid4().hex[:8]}"
        case inspect.IntType() | inspect.FloatType():
            return 1
        case inspect.BoolType():
            return True
        case inspect.ListType() | inspect.VarTupleType() | inspect.CollectionType():
            return []
        case inspect.EnumType(cls=cls):
            return next(iter(cls)).value
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.DateType():
            return "2026-11-30"
        case _:
            return {}


def failures(gateway: Gateway, values: Sequence[Hostile], models: Sequence[str] = tuple(MODELS)) -> list[str]:
    """The requests that the gateway answered with a fault of its own."""
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    found = []
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        for shot in shots(values, models):
            answer = client.request(shot.method, shot.path, content=shot.body)
            if FAULT in answer.text:
                found.append(f"{shot.function}: {shot.method} {shot.path} {(shot.body or b'')[:200]!r}")
    return found


@contextmanager
def shot_at(server: str, template: str, folder: Path) -> Iterator[Gateway]:
    """A gateway of its own, and a database: some of what is sent changes them."""
    name = f"hostile_{uuid.uuid4().hex}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    nowhere = {"api_base": f"http://127.0.0.1:{closed_port()}/v1", "api_key": "sk-nobody", "timeout": 1}
    models = [{"model_name": name, "litellm_params": {**nowhere, **told}} for name, told in MODELS.items()]
    config = {"model_list": models, "router_settings": {"num_retries": 0}}
    with serving(folder, config, dsn_of(server, name)) as running:
        yield running
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")
