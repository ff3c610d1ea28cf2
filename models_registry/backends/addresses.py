"""Pictures and documents that a request names by address, where the provider reads no such address itself.

The gateway fetches them, and the provider gets them as data URIs.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest, ImageUrl, Message, Part
from schema.errors.requests import InvalidRequest
from schema.wire import MaybeRaw, present

MAX_ADDRESSES = 20
"""How many addresses one call may have fetched."""
NOT_YET = "data:image/png;base64,"
"""Stands for a file until it is fetched, so that everything else in the request is judged before."""
NOT_YET_A_DOCUMENT = "data:application/pdf;base64,"
CONVERSATIONS = ("messages", "input", "system", "tools")
ADDRESS_FIELDS = frozenset({"url", "image_url", "video_url", "audio_url", "file_url", "file_data", "file_id"})
_WEB = ("http://", "https://")


class NamedFile(msgspec.Struct, frozen=True):
    """What stands at an address, and where the request names it: `messages[0].content[1].image_url`."""

    url: str
    where: str
    is_picture: bool


class _GivenDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """`file_data` is a data URI or, as with LiteLLM, an address; so is `file_id`."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    format: str | None = None


def wanted(request: ChatRequest, target: Target, facts: CallFacts) -> Sequence[NamedFile]:
    """What has to be fetched before a request can be sent to a deployment, each address once. Where a call
    stays local that is every address, since the deployment's server could fetch it from anywhere."""
    if all(not isinstance(message.content, list) for message in request.messages):
        return ()
    every = facts.stays_local
    found = {each.url: each for each in _named(request) if every or _is_unread(each, target)}
    return tuple(found.values())


def with_files(request: ChatRequest, target: Target, facts: CallFacts) -> ChatRequest:
    """The request with the files that were fetched in place of their addresses. `facts` has data URIs by
    address; one that is missing is stood for."""
    files = facts.files
    named = {each.url: each for each in wanted(request, target, facts)}
    if not named:
        return request
    data = {
        url: files.get(url) or (NOT_YET if each.is_picture else NOT_YET_A_DOCUMENT)
        for url, each in named.items()
    }
    messages = [_filled(message, data) for message in request.messages]
    changed = msgspec.structs.replace(request, messages=messages)
    changed.with_raw({**request.fields(), "messages": msgspec.Raw(msgspec.json.encode(messages))})
    return changed


def refuse_addresses(fields: Mapping[str, msgspec.Raw]) -> None:
    """Refuse a body that names a picture, a film or a file by its address: it goes to the server as it came,
    and the server could fetch the address from anywhere. Raises InvalidRequest."""
    for name in CONVERSATIONS:
        raw = fields.get(name)
        if raw is not None and b"://" in bytes(raw) and (where := _address_in(_loosely(raw), name)):
            raise InvalidRequest(
                f"'{where}' is an address, and this call stays local (local_only): send the file itself as a "
                "data URI.",
                param=where,
            )


def _loosely(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _address_in(value: object, where: str) -> str:
    """Where an address stands in a part of a conversation. Empty: nowhere."""
    if isinstance(value, list):
        inside = ((f"{where}[{place}]", each) for place, each in enumerate(value))
    elif isinstance(value, dict):
        for name in ADDRESS_FIELDS & value.keys():
            if isinstance(value[name], str) and value[name].lstrip()[:8].lower().startswith(_WEB):
                return f"{where}.{name}"
        inside = ((f"{where}.{name}", each) for name, each in value.items())
    else:
        return ""
    return next((found for place, each in inside if (found := _address_in(each, place))), "")


def _named(request: ChatRequest) -> Iterator[NamedFile]:
    for i, message in enumerate(request.messages):
        if not isinstance(message.content, list):
            continue
        for j, part in enumerate(message.content):
            where = f"messages[{i}].content[{j}]"
            if part.kind == "image_url":
                url = part.image_url.url if isinstance(part.image_url, ImageUrl) else part.image_url
                if url and url[:8].lower().startswith(_WEB):
                    yield NamedFile(url, f"{where}.image_url", is_picture=True)
            elif part.kind == "file" and (url := _address_of(part.file)) is not None:
                yield NamedFile(url, f"{where}.file", is_picture=False)


def _is_unread(named: NamedFile, target: Target) -> bool:
    """Whether the provider does not read an address itself. None of them reads one without TLS, and Vertex AI
    reads none for Claude."""
    if target.body_version:
        return True
    facts = target.dialect.facts
    reads = facts.reads_pictures if named.is_picture else facts.reads_documents
    return not (reads and named.url[:8].lower() == "https://")


def _address_of(raw: MaybeRaw) -> str | None:
    file = _file_of(raw)
    if file is None:
        return None
    url = file.file_data or file.file_id or ""
    return url if url[:8].lower().startswith(_WEB) else None


def _file_of(raw: MaybeRaw) -> _GivenDocument | None:
    """None: there is none, or the backend will say what is wrong with it."""
    if not present(raw):
        return None
    try:
        return msgspec.json.decode(raw, type=_GivenDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _filled(message: Message, data: Mapping[str, str]) -> Message:
    if not isinstance(message.content, list):
        return message
    content = [_filled_part(part, data) for part in message.content]
    return msgspec.structs.replace(message, content=content)


def _filled_part(part: Part, data: Mapping[str, str]) -> Part:
    image = part.image_url
    if isinstance(image, ImageUrl) and image.url in data:
        return msgspec.structs.replace(part, image_url=msgspec.structs.replace(image, url=data[image.url]))
    if isinstance(image, str) and image in data:
        return msgspec.structs.replace(part, image_url=data[image])
    if part.kind != "file" or (url := _address_of(part.file)) is None or url not in data:
        return part
    file = _file_of(part.file)
    assert file is not None, "it has an address"
    name = file.filename or url.partition("?")[0].rstrip("/").rpartition("/")[2] or None
    filled = _GivenDocument(file_data=data[url], filename=name, format=file.format)
    return msgspec.structs.replace(part, file=msgspec.Raw(msgspec.json.encode(filled)))
