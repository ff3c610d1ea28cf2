"""A conversation in Google's form: the system's text apart, and the turns of `user` and `model`.

Neighbouring messages of one role become one turn, so that the results of parallel calls stand together. A
result names its function, which is looked up by the id of the call. Google takes no empty text, and no
conversation that begins with a call.

Google refuses a call of the turn that goes on without the signature that it gave with it. Where the client or
another provider lost it, `UNSIGNED` stands in its place, which Google takes for such a call.
"""

import mimetypes
import re
from urllib.parse import urlsplit

import msgspec

from models_registry.backends.changes import Changes, MessageFields
from models_registry.backends.content import (
    SYSTEM_ROLES,
    address,
    data_uri,
    function_of,
    parts_of,
    refuse_legacy,
    thinking_blocks,
)
from models_registry.backends.images import media_type_of
from models_registry.backends.signatures import googles, id_and_signature
from schema.chat import ImageUrl, Message, Part
from schema.dialects.gemini import (
    GeminiBlob,
    GeminiCall,
    GeminiFile,
    GeminiPart,
    GeminiResult,
    GeminiTurn,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import MaybeRaw, present

FILLER = "."
"""A text that says nothing."""
UNSIGNED = "skip_thought_signature_validator"
"""What Google takes in place of a signature that is lost. Source: its guide to thought signatures."""
MODEL, USER = "model", "user"
AUTO = "auto"
_FILMS = re.compile(
    r"https?://([a-z0-9-]+\.)*(youtube\.com|youtu\.be|youtube-nocookie\.com)(?![a-z0-9.-])", re.IGNORECASE
)
_REFERENCE = re.compile(r'"\$(?:ref|defs)"')
THINKING = ("thinking", "redacted_thinking")
FIELDS = MessageFields.with_more(message=("name",), part=("file", "input_audio"))


class _GivenFile(msgspec.Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    format: str | None = None


class _Audio(msgspec.Struct, frozen=True):
    data: str
    format: str = "wav"


class Contents(msgspec.Struct):
    """What a request says."""

    system: list[GeminiPart]
    turns: list[GeminiTurn]


def conversation(
    messages: list[Message], changes: Changes, *, takes_system: bool = True, wants_signatures: bool = True
) -> Contents:
    """The messages in Google's form. `takes_system`: the model takes a system's instruction; where it does
    not, the text goes in front of the user's first. `wants_signatures`: the model refuses calls without.
    Raises InvalidRequest or UnsupportedParameter, which name the message."""
    reading = _TurnsReader(changes, UNSIGNED if wants_signatures else None)
    for i, message in enumerate(messages):
        reading.add(message, f"messages[{i}]")
    return reading.ended(takes_system=takes_system)


class _TurnsReader:
    """A conversation while it is read."""

    def __init__(self, changes: Changes, unsigned: str | None) -> None:
        """`unsigned` stands for a signature that is lost."""
        self._changes = changes
        self._unsigned = unsigned
        self._names: dict[str, str] = {}
        """The function of each call, by the call's id."""
        self._system: list[GeminiPart] = []
        self._turns: list[GeminiTurn] = []

    def add(self, message: Message, where: str) -> None:
        refuse_legacy(message, where)
        if message.role in SYSTEM_ROLES:
            self._system += self._texts(message, where)
            return
        if message.name and message.role != "tool":
            self._changes.add("messages.name")
        match message.role:
            case "user":
                role, parts = USER, self._parts(message, where)
            case "assistant":
                role, parts = MODEL, self._said(message, where)
            case "tool":
                role, parts = USER, self._result(message, where)
            case _:
                raise UnsupportedParameter(
                    f"'{where}.role' is '{message.role}', which the provider does not know.",
                    param=f"{where}.role",
                )
        if self._turns and self._turns[-1].role == role:
            self._turns[-1].parts.extend(parts)
        elif parts or role == USER:
            self._turns.append(GeminiTurn(role=role, parts=parts))

    def ended(self, *, takes_system: bool) -> Contents:
        """The conversation, once all messages are read."""
        turns, system = self._turns, self._system
        if not turns and not system:
            raise InvalidRequest("'messages' must hold a message of the user.", param="messages")
        for turn in turns:
            if not turn.parts:
                turn.parts.append(GeminiPart(text=FILLER))
                self._changes.add("messages.content")
        if not turns or turns[0].role != USER:
            turns.insert(0, GeminiTurn(role=USER, parts=[GeminiPart(text=FILLER)]))
            self._changes.add("messages")
        if system and not takes_system:
            turns[0].parts[:0] = system
            system = []
            self._changes.add("messages.role")
        return Contents(system, turns)

    def _texts(self, message: Message, where: str) -> list[GeminiPart]:
        parts = self._parts(message, where)
        if any(part.text is None for part in parts):
            raise UnsupportedParameter(
                f"'{where}.content' must be text in a {message.role} message.", param=f"{where}.content"
            )
        return parts

    def _said(self, message: Message, where: str) -> list[GeminiPart]:
        """The parts of an answer of the model. The signature of its text goes back with the text."""
        parts = self._parts(message, where)
        signature, lost = self._signature_of_text(message)
        if signature and parts and parts[-1].text is not None:
            parts[-1] = msgspec.structs.replace(parts[-1], thought_signature=signature)
        elif signature:
            parts.append(GeminiPart(text="", thought_signature=signature))
        if lost:
            self._changes.add(f"messages.{lost}")
        return parts + self._calls(message, where)

    def _signature_of_text(self, message: Message) -> tuple[str, str]:
        """The signature that Google gave with the text, and the name of the field whose thinking is left
        out."""
        signatures = [googles(block.signature) for block in thinking_blocks(message)]
        own = next((each for each in reversed(signatures) if each), "")
        if present(message.thinking_blocks):
            return own, "" if own else "thinking_blocks"
        return own, "reasoning_content" if message.reasoning_content else ""

    def _calls(self, message: Message, where: str) -> list[GeminiPart]:
        parts = []
        for j, call in enumerate(message.tool_calls or ()):
            name, arguments = function_of(call, f"{where}.tool_calls[{j}]", self._changes)
            _, signature = id_and_signature(call.id or "")
            if call.id:
                self._names[call.id] = name
            # Only the first of parallel calls is signed.
            parts.append(
                GeminiPart(
                    function_call=GeminiCall(name=name, args=arguments),
                    thought_signature=signature or (None if j else self._unsigned),
                )
            )
        return parts

    def _result(self, message: Message, where: str) -> list[GeminiPart]:
        """A tool's result: a JSON object. Pictures in it stand behind it."""
        name = self._names.get(message.tool_call_id or "", message.name)
        if not name:
            raise InvalidRequest(
                f"'{where}.tool_call_id' belongs to no call of the messages before it.",
                param=f"{where}.tool_call_id",
            )
        parts = self._parts(message, where)
        texts = [part.text for part in parts if part.text is not None]
        result = GeminiResult(name=name, response=_as_object("\n".join(texts)))
        return [GeminiPart(function_response=result), *(part for part in parts if part.text is None)]

    def _parts(self, message: Message, where: str) -> list[GeminiPart]:
        parts: list[GeminiPart] = []
        for j, part in enumerate(parts_of(message.content)):
            if part.kind in THINKING:
                self._changes.add("messages.content.thinking")
            elif part.kind != "text" or part.text is None or part.text:
                parts.append(self._part(part, f"{where}.content[{j}]"))
        if message.refusal:
            parts.append(GeminiPart(text=message.refusal))
        return parts

    def _part(self, part: Part, where: str) -> GeminiPart:
        match part.kind:
            case "text" if part.text is not None:
                return GeminiPart(text=part.text)
            case "refusal" if part.refusal is not None:
                return GeminiPart(text=part.refusal or FILLER)
            case "image_url":
                return self._image(part.image_url, f"{where}.image_url")
            case "file" if present(part.file):
                return _file(part.file, f"{where}.file")
            case "input_audio" if present(part.input_audio):
                return _audio(part.input_audio, f"{where}.input_audio")
            case kind:
                raise UnsupportedParameter(
                    f"'{where}' is a part of type '{kind}', which the provider does not take.",
                    param=f"{where}.{kind}",
                )

    def _image(self, image: ImageUrl | str | None, where: str) -> GeminiPart:
        if isinstance(image, ImageUrl) and image.detail not in (None, AUTO):
            self._changes.add("messages.content.image_url.detail")
        return _picture(address(image, where), where)


def _picture(url: str, where: str) -> GeminiPart:
    """A picture. Google reads films and pages at an address too, which cost as much as they are long."""
    inline = data_uri(url, where)
    guessed = None if inline is not None else _type_by_name(url, where)
    kind = inline.media_type if inline is not None else guessed or "image/jpeg"
    if not kind.startswith("image/") or (inline is None and _FILMS.match(url)):
        raise UnsupportedParameter(f"'{where}' must be a picture; send anything else as a file.", param=where)
    return _from_address(url, None if inline is not None else kind, where)


def _type_by_name(url: str, where: str) -> str | None:
    """What the end of an address says of its type. Raises InvalidRequest for what is no address."""
    try:
        path = urlsplit(url).path
    except ValueError as exc:
        raise InvalidRequest(f"'{where}' holds an address that can't be read.", param=where) from exc
    return mimetypes.guess_type(path)[0]


def _from_address(url: str, media_type: str | None, where: str) -> GeminiPart:
    """What stands in a data URI, or at an address that Google reads itself."""
    inline = data_uri(url, where)
    if inline is not None:
        kind = media_type_of(inline) if inline.media_type.startswith("image/") else inline.media_type
        return GeminiPart(inline_data=GeminiBlob(mime_type=media_type or kind, data=inline.data))
    if not url.lower().startswith(("https://", "http://", "gs://")):
        raise UnsupportedParameter(
            f"'{where}' must be an address (https:// or gs://) or a data URI.", param=where
        )
    guessed = _type_by_name(url, where)
    return GeminiPart(file_data=GeminiFile(mime_type=media_type or guessed, file_uri=url))


def _file(raw: msgspec.Raw, where: str) -> GeminiPart:
    try:
        given = msgspec.json.decode(raw, type=_GivenFile)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"'{where}' is malformed: {exc}", param=where) from exc
    url = given.file_data or given.file_id
    if not url:
        raise InvalidRequest(
            f"'{where}' must have 'file_data' (a data URI) or 'file_id' (an address).", param=where
        )
    return _from_address(url, given.format, where)


def _audio(raw: MaybeRaw, where: str) -> GeminiPart:
    try:
        audio = msgspec.json.decode(raw, type=_Audio)  # type: ignore[arg-type]  # the caller saw that it is there
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"'{where}' is malformed: {exc}", param=where) from exc
    return GeminiPart(inline_data=GeminiBlob(mime_type=f"audio/{audio.format}", data=audio.data))


def _as_object(text: str) -> msgspec.Raw:
    """A result as Google wants it: an object. Any other text stands in an object of its own, and so does one
    with a `$ref`: Google looks for the part that it names, and refuses the call."""
    if text[:1] == "{" and not _REFERENCE.search(text):
        try:
            msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            return msgspec.Raw(text.encode())
    return msgspec.Raw(msgspec.json.encode({"result": text}))
