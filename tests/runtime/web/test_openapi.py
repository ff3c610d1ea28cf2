"""The OpenAPI document and its page hold what is mounted, and nothing that does not resolve."""

import asyncio
import json
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from functions.contract.roles import Access
from runtime.catalog import entries
from runtime.web.docs_page import reference_page
from runtime.web.mount import Documents
from runtime.web.openapi import openapi_document

Json = dict[str, Any]  # a JSON document by definition


@pytest.fixture(scope="module")
def document() -> Json:
    made: Json = json.loads(json.dumps(openapi_document(entries())))
    return made


def walk(value: object) -> Iterator[Json]:
    """Every object in a JSON document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def operations(document: Json) -> list[Json]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def test_every_function_is_there_on_each_of_its_paths(document: Json) -> None:
    for entry in entries():
        for path in (entry.manifest.path, *entry.manifest.aliases):
            operation = document["paths"][path.replace(":path}", "}")][entry.manifest.method.lower()]
            assert operation["summary"] == entry.manifest.summary
            assert operation["tags"] == [entry.manifest.family]
    mounted = sum(1 + len(entry.manifest.aliases) for entry in entries())
    assert len(operations(document)) == mounted


def test_every_reference_resolves(document: Json) -> None:
    found = [item["$ref"] for item in walk(document) if "$ref" in item]
    assert found
    for reference in found:
        here: Any = document
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]
        assert isinstance(here, dict)


def test_operation_ids_are_unique(document: Json) -> None:
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(set(ids)) == len(ids)


def test_what_needs_a_key_says_so(document: Json) -> None:
    for entry in entries():
        operation = document["paths"][entry.manifest.path.replace(":path}", "}")][
            entry.manifest.method.lower()
        ]
        assert ("security" in operation) == (entry.manifest.access is not Access.OPEN)


def test_path_parameters_are_declared_and_required(document: Json) -> None:
    for path, item in document["paths"].items():
        names = {piece[1:-1] for piece in path.split("/") if piece.startswith("{")}
        for operation in item.values():
            declared = {row["name"]: row for row in operation.get("parameters", []) if row["in"] == "path"}
            assert set(declared) == names
            assert all(row["required"] for row in declared.values())


def test_a_stream_and_an_error_have_their_own_content(document: Json) -> None:
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    forms = {"/v1/messages": "MessagesError", "/scim": "ScimErrorBody"}
    for path, item in document["paths"].items():
        form = next((form for begins, form in forms.items() if path.startswith(begins)), "ErrorEnvelope")
        for operation in item.values():
            schema = operation["responses"]["401"]["content"]["application/json"]["schema"]
            assert schema == {"$ref": f"#/components/schemas/{form}"}


def test_each_operation_has_either_parameters_or_a_body(document: Json) -> None:
    for item in document["paths"].values():
        for method, operation in item.items():
            assert ("requestBody" in operation) == (method != "get")


def test_a_part_of_the_catalogue_is_a_part_of_the_document() -> None:
    part = openapi_document(entries(["chat"]))
    assert set(part["paths"]) == {
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/deployments/{model}/chat/completions",
        "/engines/{model}/chat/completions",
        "/health",
        "/health/history",
        "/health/latest",
        "/provider/budgets",
        "/health/liveliness",
        "/health/liveness",
        "/health/readiness",
        "/health/readiness/details",
        "/routes",
        "/metrics",
    }


def test_the_page_shows_every_path_and_is_safe_html(document: Json) -> None:
    page = reference_page(document)
    text = unescape(page)
    for path in document["paths"]:
        assert f"<code>{path}</code>" in text
    for operation in operations(document):
        assert operation["summary"] in text
    assert "<script" not in page
    hostile = {**document, "info": {**document["info"], "description": "<script>alert(1)</script>"}}
    assert "<script" not in reference_page(hostile)


def test_the_documents_are_made_once_for_all_who_ask_and_also_where_the_first_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making: list[int] = []
    make = Documents._make

    def counted(self: Documents) -> tuple[bytes, bytes]:
        making.append(1)
        return make(self)

    monkeypatch.setattr(Documents, "_make", counted)

    async def run() -> list[tuple[bytes, bytes]]:
        documents = Documents(entries(["chat"]), "")
        assert making == []
        first = asyncio.create_task(documents.both())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return list(await asyncio.gather(documents.both(), documents.both()))

    one, other = asyncio.run(run())
    assert making == [1]
    assert one == other
    assert b"/v1/chat/completions" in one[0]
    assert one[1].startswith(b"<!doctype html>")
