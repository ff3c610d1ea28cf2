"""Google's answers as events of the core. Whole answers and streams share these functions."""

import hashlib

import msgspec

from models_registry.backends.content import arguments_text
from models_registry.backends.gemini.usage import BROKEN, STOP_REASONS, logprobs_in
from models_registry.backends.provider_errors import error_instead, scrubbed
from models_registry.backends.signatures import of_google, with_signature
from models_registry.backends.tolerance import UNREADABLE, decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Cited,
    Media,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
    Unshown,
    with_logprobs,
)
from schema.dialects.gemini import (
    GeminiAnswerPart,
    GeminiBlob,
    GeminiCall,
    GeminiCandidate,
    GeminiChunk,
    GeminiCitations,
    GeminiGrounding,
    GeminiSource,
    GenerateAnswer,
)
from schema.errors.upstream import UpstreamCut
from schema.wire import MaybeRaw, present

_ANSWERS = msgspec.json.Decoder(GenerateAnswer)
_GROUNDING = msgspec.json.Decoder(GeminiGrounding)
_CITATIONS = msgspec.json.Decoder(GeminiCitations)
_CHUNKS = msgspec.json.Decoder(GeminiChunk)
_SOURCES = msgspec.json.Decoder(GeminiSource)


def decode_answer(data: bytes, target: Target) -> GenerateAnswer:
    """A whole answer, or one event of a stream. Raises the mapped error for an error in it, and
    UpstreamMalformed for anything that is no answer."""
    try:
        answer = decoded(_ANSWERS, data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error_instead(data, target, f"The provider's answer is not one of Google's: {exc}") from exc
    if present(answer.error):
        raise error_instead(data, target, "The provider's answer is an error.")
    return answer


def first_candidate(answer: GenerateAnswer) -> GeminiCandidate | None:
    """The one answer that was asked for. None: an event of a stream may have none."""
    return next((each for each in answer.candidates or () if not each.index), None)


def blocked(answer: GenerateAnswer) -> bool:
    """Whether Google refused the question itself. Such an answer has no candidate."""
    return answer.prompt_feedback is not None and bool(answer.prompt_feedback.block_reason)


class AnswerReader:
    """Reads the candidates of one answer: the only one, or those of a stream's events."""

    def __init__(self, request_id: str, target: Target) -> None:
        self._request_id = request_id
        self._target = target
        self._tools = 0
        self._said = False

    def events(self, candidate: GeminiCandidate) -> list[AnswerEvent]:
        """What a candidate says."""
        found: list[AnswerEvent] = []
        parts = candidate.content.parts if candidate.content is not None else None
        for part in parts or ():
            self._part(part, found)
        logprobs = logprobs_in(candidate.logprobs_result)
        if logprobs and not found:
            found.append(Text(""))
        found = with_logprobs(found, logprobs)
        found += _sources(candidate)
        self._said = self._said or bool(found)
        return found

    def reason(self, candidate: GeminiCandidate) -> StopReason | None:
        """Why the answer ended. None: it goes on. Google says `STOP` for tool calls too. A reason that is not
        known yet counts as `END`. Raises UpstreamCut where the model got nothing done."""
        said = candidate.finish_reason
        if not said:
            return None
        if said in BROKEN and not self._said:
            why = scrubbed(candidate.finish_message or "", self._target)
            raise UpstreamCut(f"The model's answer broke off: {said}. {why}".strip())
        reason = STOP_REASONS.get(said, StopReason.END)
        return StopReason.TOOLS if self._tools and reason is StopReason.END else reason

    def _part(self, part: GeminiAnswerPart, found: list[AnswerEvent]) -> None:
        signature = part.thought_signature or ""
        if part.function_call is not None:
            self._call(part.function_call, signature, found)
        elif part.thought:
            found.append(Thought(part.text or "", of_google(signature) if signature else ""))
        elif part.text is not None or signature:
            if part.text:
                found.append(Text(part.text))
            if signature:
                found.append(Thought(signature=of_google(signature), is_signed=True))
        elif part.inline_data is not None:
            found.append(_media(part.inline_data))
        else:
            unshown = (part.executable_code, part.code_execution_result, part.tool_call)
            size = sum(len(raw) for raw in map(bytes, filter(present, unshown)))
            found += [Unshown(size)] if size else []

    def _call(self, call: GeminiCall, signature: str, found: list[AnswerEvent]) -> None:
        at = self._tools
        self._tools += 1
        id = call.id or self._made_id(at)
        found.append(ToolBegan(at, with_signature(id, signature), call.name))
        found.append(ToolArguments(at, arguments_text(call.args)))

    def _made_id(self, index: int) -> str:
        """The id of a call, where Google gives none."""
        return "call_" + hashlib.sha256(f"{self._request_id}/{index}".encode()).hexdigest()[:24]


def _media(blob: GeminiBlob) -> Media:
    """A picture or sound of the answer, in OpenAI's form."""
    if blob.mime_type.startswith("audio/"):
        return Media("audio", msgspec.Raw(msgspec.json.encode({"data": blob.data})))
    url = f"data:{blob.mime_type};base64,{blob.data}"
    image = {"type": "image_url", "index": 0, "image_url": {"url": url}}
    return Media("images", msgspec.Raw(msgspec.json.encode([image])))


def _sources(candidate: GeminiCandidate) -> list[Cited]:
    """The pages and texts that the answer goes back to."""
    found = []
    for raw in _list_in(candidate.grounding_metadata, _GROUNDING, "grounding_chunks"):
        try:
            chunk = _CHUNKS.decode(raw)
        except UNREADABLE:
            continue
        source = chunk.web or chunk.retrieved_context
        if source is not None:
            found.append(Cited(raw, source.uri or "", source.title or ""))
    for name in ("citation_sources", "citations"):
        for raw in _list_in(candidate.citation_metadata, _CITATIONS, name):
            try:
                source = _SOURCES.decode(raw)
            except UNREADABLE:
                continue
            found.append(Cited(raw, source.uri or "", source.title or ""))
    return found


def _list_in(
    raw: MaybeRaw,
    decoder: "msgspec.json.Decoder[GeminiGrounding] | msgspec.json.Decoder[GeminiCitations]",
    name: str,
) -> list[msgspec.Raw]:
    if not present(raw):
        return []
    try:
        found: list[msgspec.Raw] | None = getattr(decoder.decode(raw), name)
    except UNREADABLE:
        return []
    return found or []
