"""Which addresses of a request have to be fetched, and what stands in their places."""

from typing import Any

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.backends.addresses import refuse_addresses, wanted, with_files
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from tests.functions.contexts import make_registry

PICTURE, PDF = "https://files.test/cat.png", "https://files.test/paper.pdf?v=2"
PNG_URI = "data:image/png;base64,iVBORw0KGgo="
PDF_URI = "data:application/pdf;base64,JVBERi0="
FACTS = CallFacts(request_id="0190", created=0)
GOOGLE = {"model": "gemini/gemini-2.5-flash", "api_key": "k"}
AMAZON = {
    "model": "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
    "aws_access_key_id": "AKIA",
    "aws_secret_access_key": "s",
    "aws_region_name": "eu-central-1",
}
PARAMS: dict[str, dict[str, str]] = {
    "openai": {"model": "openai/gpt-4o", "api_key": "k"},
    "anthropic": {"model": "anthropic/claude-sonnet-4-6", "api_key": "k"},
    "ollama": {"model": "ollama/llava", "api_base": "http://ollama.test"},
    "gemini": GOOGLE,
    "bedrock": AMAZON,
}


def target(dialect: str) -> Target:
    entry = {"model_name": "m", "litellm_params": PARAMS[dialect]}
    return make_registry({"model_list": [entry]}).target("m", allowed=(), roll=0.0)


def request(*parts: dict[str, Any], text: str = "What is it?") -> ChatRequest:
    messages = [
        {"role": "system", "content": "short"},
        {"role": "user", "content": [{"type": "text", "text": text}, *parts]},
    ]
    body = msgspec.json.encode({"model": "m", "messages": messages, "max_tokens": 20})
    made = msgspec.json.decode(body, type=ChatRequest)
    made.with_raw(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    return made


def image(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


@pytest.mark.parametrize(
    ("dialect", "parts", "urls"),
    [
        ("ollama", [image(PICTURE)], [PICTURE]),
        ("bedrock", [image(PICTURE)], [PICTURE]),
        ("bedrock", [file(file_id=PDF)], [PDF]),
        ("bedrock", [file(file_data=PDF)], [PDF]),
        ("openai", [image(PICTURE)], []),
        ("openai", [file(file_data=PDF)], [PDF]),
        ("anthropic", [image(PICTURE), file(file_data=PDF)], []),
        ("anthropic", [image("http://files.test/cat.png")], ["http://files.test/cat.png"]),
        ("gemini", [image(PICTURE), file(file_id=PDF)], []),
        ("gemini", [image("HTTP://files.test/cat.png")], ["HTTP://files.test/cat.png"]),
        ("ollama", [image(PNG_URI)], []),
        ("ollama", [image("ftp://files.test/cat.png"), image("/cat.png"), image("")], []),
        ("ollama", [{"type": "image_url", "image_url": PICTURE}], [PICTURE]),
        ("ollama", [image(PICTURE), image(PICTURE), image(PICTURE + "?2")], [PICTURE, PICTURE + "?2"]),
        ("ollama", [{"type": "file", "file": 3}, {"type": "file"}, file(file_id="file-3")], []),
        ("ollama", [{"type": "text", "text": PICTURE}], []),
    ],
)
def test_what_the_provider_reads_no_address_of_is_wanted(
    dialect: str, parts: list[dict[str, Any]], urls: list[str]
) -> None:
    found = wanted(request(*parts), target(dialect), FACTS)
    assert [each.url for each in found] == urls
    for each in found:
        assert each.where.startswith("messages[1].content[")


def test_a_text_alone_wants_nothing() -> None:
    plain = ChatRequest(model="m", messages=[])
    assert with_files(plain, target("ollama"), FACTS) is plain


def sent(made: ChatRequest, dialect: str, files: dict[str, str]) -> str:
    to, facts = target(dialect), msgspec.structs.replace(FACTS, files=files)
    return BACKENDS[to.dialect].chat_request(with_files(made, to, facts), to, facts).body.decode()


@pytest.mark.parametrize("dialect", ["ollama", "bedrock", "openai", "anthropic", "gemini"])
def test_the_provider_gets_the_picture_in_place_of_its_address(dialect: str) -> None:
    url = PICTURE.replace("https:", "http:")  # which no provider reads
    made = request(image(url, detail="auto"))
    if dialect == "openai":  # its own dialect passes pictures by address
        made, url = request(file(file_data=PDF)), PDF
    body = sent(made, dialect, {url: PNG_URI})
    assert "iVBORw0KGgo=" in body
    assert "files.test/" not in body


def test_a_call_that_stays_local_leaves_no_address_to_the_server() -> None:
    facts = msgspec.structs.replace(FACTS, stays_local=True)
    for dialect in PARAMS:
        assert [each.url for each in wanted(request(image(PICTURE)), target(dialect), facts)] == [PICTURE]


@pytest.mark.parametrize(
    ("part", "where"),
    [
        (image(PICTURE), "image_url.url"),
        ({"type": "image_url", "image_url": PICTURE}, "image_url"),
        ({"type": "video_url", "video_url": {"url": PICTURE}}, "video_url.url"),
        ({"type": "image", "source": {"type": "url", "url": " HTTPS://a.test/x"}}, "source.url"),
        ({"type": "input_file", "file_url": PDF}, "file_url"),
    ],
)
@pytest.mark.parametrize("field", ["messages", "input"])
def test_what_goes_as_it_came_may_hold_no_address_where_it_stays_local(
    part: Any, where: str, field: str
) -> None:
    raw = msgspec.Raw(msgspec.json.encode([{"role": "user", "content": [part]}]))
    with pytest.raises(InvalidRequest, match="local_only") as refused:
        refuse_addresses({field: raw})
    assert refused.value.param == f"{field}[0].content[0].{where}"


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": f"Look at {PICTURE}"}],
        [{"role": "user", "content": [image(PNG_URI), {"type": "text", "text": PICTURE}]}],
        "a text with https://a.test in it",
    ],
)
def test_a_text_may_name_an_address(value: Any) -> None:
    refuse_addresses({"messages": msgspec.Raw(msgspec.json.encode(value))})


def test_a_document_keeps_the_name_of_its_address() -> None:
    body = sent(request(file(file_data=PDF)), "bedrock", {PDF: PDF_URI})
    assert "JVBERi0=" in body
    assert "paper" in body


def test_until_it_is_there_everything_else_is_judged() -> None:
    made = request(image(PICTURE), {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})
    with pytest.raises(UnsupportedParameter, match="input_audio"):
        sent(made, "ollama", {})
    assert sent(request(image(PICTURE)), "ollama", {})


def test_the_callers_own_request_is_left_alone() -> None:
    made = request(image(PICTURE))
    filled = with_files(made, target("ollama"), msgspec.structs.replace(FACTS, files={PICTURE: PNG_URI}))
    assert PICTURE not in bytes(filled.raw["messages"]).decode()
    assert PICTURE in bytes(made.raw["messages"]).decode()
    assert made.messages[1].content[1].image_url.url == PICTURE  # type: ignore[index,union-attr]
