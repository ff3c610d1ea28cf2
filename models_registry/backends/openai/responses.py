"""Responses at a provider that has them: the byte path.

A request is forwarded with its fields as they came, OpenAI's own tools among them. `model` is replaced, the
deployment's parameters are added by the names that Responses has for them, and the gateway's own fields are
taken out. The provider is asked to store nothing: who may read a response again is for the gateway to say.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.openai.history import short_id
from models_registry.backends.openai.responses_stream import ResponsesStream
from models_registry.backends.openai.responses_usage import AnswerFacts, answer_length, usage_in
from models_registry.backends.openai.wire import outgoing, post
from models_registry.backends.parameters import LIMITS, STORE
from models_registry.backends.provider_errors import error_inside, error_instead
from models_registry.backends.signatures import SEPARATOR
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from models_registry.turns.sealed_thinking import SEAL
from schema.errors.upstream import UpstreamMalformed
from schema.labels import METADATA_FIELD, stored_texts
from schema.responses import Response, ResponsesRequest
from schema.usage import Usage
from schema.wire import present

LIMIT, REASONING = "max_output_tokens", "reasoning"
COMPLETED, FAILED = "completed", "failed"
DROP_PARAMS = "drop_params"
CHAT_ALONE: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            "n",
            "stop",
            "seed",
            "logprobs",
            "frequency_penalty",
            "presence_penalty",
            "logit_bias",
            "modalities",
        ),
        "Responses have no such field",
    )
)
"""A deployment's parameters for chat that are not sent here."""
RENAMED: Mapping[str, str] = MappingProxyType({"reasoning_effort": REASONING})
"""Fields of chat that have another name here."""
FOREIGN_SIGNS = (SEAL.encode(), SEPARATOR.encode())
"""What stands in items of answers that came from another provider."""
MAX_CALL_ID_CHARS = 64
"""The longest `call_id` that OpenAI takes."""
_ANSWERS = msgspec.json.Decoder(AnswerFacts)
_ITEMS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_FALSE = msgspec.Raw(b"false")


class NativeResponses:
    """Implements Native."""

    def fitted(
        self, request: ResponsesRequest, target: Target
    ) -> tuple[ResponsesRequest, Target, tuple[str, ...]] | None:
        """The deployment with its parameters by their names here. Under `drop_params`, what the model refuses
        is left out."""
        renamed = renamed_params(target.params)
        drops = target.drop_params
        raw = request.raw.get(DROP_PARAMS)
        if raw is not None:
            drops = bytes(raw) == b"true"
        refused = {RENAMED.get(name, name) for name in target.refuses}
        unfit = sorted(refused & request.raw.keys()) if drops else []
        if renamed == target.params and not unfit:
            return None
        target = msgspec.structs.replace(target, params=renamed)
        if not unfit:
            return request, target, ()
        fields = {name: value for name, value in request.raw.items() if name not in unfit}
        request = msgspec.json.decode(msgspec.json.encode(fields), type=ResponsesRequest)
        request.with_raw(fields)
        return request, target, tuple(unfit)

    def request(self, request: ResponsesRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /responses."""
        target = msgspec.structs.replace(target, params=renamed_params(target.params))
        metadata = request.raw.get(METADATA_FIELD)
        fields = outgoing(request.fields(), target, stored_there=False)
        texts = stored_texts(metadata) if metadata is not None and present(metadata) else None
        if texts is not None and target.takes_metadata:
            fields[METADATA_FIELD] = texts
        fields[STORE] = _FALSE
        if "input" in fields and any(sign in bytes(fields["input"]) for sign in FOREIGN_SIGNS):
            fields["input"] = without_foreign_items(fields["input"])
        return post("/responses", fields, target, facts)

    def answer(self, body: bytes, request: ResponsesRequest, target: Target) -> tuple[Response, Usage | None]:
        """Raises UpstreamMalformed for a body that is no response, and the mapped error for an `error` inside
        it."""
        try:
            found = decoded(_ANSWERS, body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise error_instead(body, target, f"The provider's answer is not a response: {exc}") from exc
        if present(found.error):
            raise error_inside(bytes(found.error), target)
        if found.output is None:
            raise error_instead(body, target, "The provider's answer has no output.")
        if found.status == FAILED:
            raise UpstreamMalformed("The provider's response failed, and it does not say why.")
        answer = Response(
            id=found.id or "",
            created_at=int(found.created_at or 0),
            status=found.status or COMPLETED,
            model=found.model or target.model,
        )
        answer.with_wire(body)
        return answer, usage_in(found)

    def told_bytes(self, answer: Response) -> int | None:
        return answer_length(answer.wire)

    def stream(self, request: ResponsesRequest, target: Target) -> ResponsesStream:
        return ResponsesStream(target)


def without_foreign_items(input: msgspec.Raw) -> msgspec.Raw:
    """The input as OpenAI takes it where earlier answers came from elsewhere: without thinking that this
    gateway sealed, and with shorter ids of tool calls that have a signature in them."""
    try:
        items = _ITEMS.decode(input)
    except msgspec.ValidationError:
        return input
    kept = [item for item in items if not _is_sealed(item)]
    for item in kept:
        raw = item.get("call_id")
        is_text = raw is not None and bytes(raw)[:1] == b'"'
        if raw is not None and is_text and memoryview(raw).nbytes > MAX_CALL_ID_CHARS + len('""'):
            item["call_id"] = msgspec.Raw(msgspec.json.encode(short_id(msgspec.json.decode(raw, type=str))))
    return msgspec.Raw(msgspec.json.encode(kept))


def _is_sealed(item: dict[str, msgspec.Raw]) -> bool:
    return bytes(item.get("encrypted_content", b"")).startswith(b'"' + SEAL.encode())


def renamed_params(params: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """A deployment's parameters, which have the names of chat, by their names in Responses."""
    found = {name: raw for name, raw in params.items() if name not in CHAT_ALONE and name not in LIMITS}
    limits = [params[name] for name in sorted(LIMITS) if name in params and present(params[name])]
    if limits:
        found.setdefault(LIMIT, limits[0])
    effort = found.pop("reasoning_effort", None)
    if effort is not None:
        found.setdefault(REASONING, msgspec.Raw(b'{"effort":' + bytes(effort) + b"}"))
    return found if found.keys() != params.keys() else params
