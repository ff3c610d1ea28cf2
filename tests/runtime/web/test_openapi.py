"""The OpenAPI document and its page hold what is mounted, and nothing that does not resolve."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.contract.roles import Access
from runtime.admin_ui.built import BuiltUi
from runtime.admin_ui.state import BuildState
from runtime.catalog import entries
from runtime.web.docs_page import missing_page, reference_reply
from runtime.web.mount import ApiDocument
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
    kinds = {"ScimErrorBody": "application/scim+json"}
    for path, item in document["paths"].items():
        form = next((form for begins, form in forms.items() if path.startswith(begins)), "ErrorEnvelope")
        for operation in item.values():
            content = operation["responses"]["401"]["content"]
            assert content[kinds.get(form, "application/json")]["schema"] == {
                "$ref": f"#/components/schemas/{form}"
            }


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


def test_an_alias_names_the_path_that_it_stands_for(document: Json) -> None:
    paths = document["paths"]
    aliases = {
        (path, method): operation["x-alias-of"]
        for path, item in paths.items()
        for method, operation in item.items()
        if "x-alias-of" in operation
    }
    assert aliases["/chat/completions", "post"] == "/v1/chat/completions"
    for (path, method), of in aliases.items():
        assert "x-alias-of" not in paths[of][method]
        assert paths[of][method]["summary"] == paths[path][method]["summary"]


def test_where_the_ui_is_not_built_the_page_says_what_is_missing_and_the_command(tmp_path: Path) -> None:
    reply = reference_reply(BuiltUi(tmp_path), "/llm")
    page = bytes(reply.body if isinstance(reply.body, bytes) else b"").decode()
    assert "just ui-build" in page
    assert "Nobody has built it on this machine yet." in page
    assert 'href="/llm/openapi.json"' in page
    assert "<script" not in page
    assert "default-src 'none'" in dict(reply.headers)[b"content-security-policy"].decode()
    hostile = missing_page(BuildState(state="failed", message="<script>alert(1)</script>"), "/llm")
    assert "<script" not in hostile
    assert "comes by itself" in missing_page(BuildState(state="building"), "")


def test_the_built_page_runs_scripts_of_its_own_alone(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "reference.html").write_text("<!doctype html><head></head>the reference")
    reply = reference_reply(BuiltUi(tmp_path), "/llm", title="Acme")
    assert isinstance(reply.body, bytes)
    assert b"the reference" in reply.body
    assert b'<base href="/llm/ui/">' in reply.body
    assert "script-src 'self';" in dict(reply.headers)[b"content-security-policy"].decode()


def test_the_document_is_made_once_for_all_who_ask_and_also_where_the_first_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making: list[int] = []
    make = ApiDocument._make

    def counted(self: ApiDocument) -> bytes:
        making.append(1)
        return make(self)

    monkeypatch.setattr(ApiDocument, "_make", counted)

    async def run() -> list[tuple[bytes, bool]]:
        made = ApiDocument(entries(["chat"]), "")
        assert making == []
        first = asyncio.create_task(made.encoded())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return list(await asyncio.gather(made.encoded(), made.encoded(), made.encoded("br, gzip")))

    one, other, short = asyncio.run(run())
    assert making == [1]
    assert one == other
    assert b"/v1/chat/completions" in one[0]
    assert (gzip.decompress(short[0]), short[1], one[1]) == (one[0], True, False)
    assert len(short[0]) < len(one[0]) / 3


@pytest.mark.parametrize(
    ("path", "method", "status", "kinds"),
    [
        ("/audit/export", "get", "200", {"application/jsonl", "text/csv"}),
        ("/metrics", "get", "200", {"text/plain"}),
        ("/logout", "post", "200", {"text/html", "application/json"}),
        ("/sso/callback", "get", "401", {"text/html", "application/json"}),
        ("/scim/v2/Users", "get", "200", {"application/scim+json"}),
        ("/scim/v2/Users", "get", "404", {"application/scim+json"}),
        ("/v1/chat/completions", "post", "200", {"application/json", "text/event-stream"}),
        ("/key/info", "get", "404", {"application/json"}),
    ],
)
def test_every_type_of_an_answer_is_named(
    document: Json, path: str, method: str, status: str, kinds: set[str]
) -> None:
    assert document["paths"][path][method]["responses"][status]["content"].keys() == kinds
