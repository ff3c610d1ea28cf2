"""Messages at a provider that has them: the byte path.

A request is forwarded with its fields as they came, the caller's `anthropic-version` and `anthropic-beta`
with them. Only `model` is replaced, the deployment's parameters are added, and the gateway's own fields are
taken out. Of `metadata` the provider gets `user_id` alone, since it refuses anything else there; the rest are
labels of the row.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.anthropic.relayed import MessagesStream
from models_registry.backends.anthropic.usage import counts_in, usage_of
from models_registry.backends.anthropic.wire import (
    VERSION_FIELD,
    callers_version,
    count_url,
    decode_message,
    messages_headers,
    messages_url,
)
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.cache_points import mark_messages
from models_registry.backends.content import arguments_text
from models_registry.backends.parameters import add_defaults, take_gateway_fields
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.signatures import GOOGLE
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest
from schema.errors.upstream import UpstreamMalformed
from schema.messages import CountedTokens, CountRequest, MessagesAnswer, MessagesRequest, SaidBlock
from schema.usage import Usage
from schema.wire import Wire, present

RENAMED: Mapping[str, str] = MappingProxyType(
    {"max_completion_tokens": "max_tokens", "stop": "stop_sequences", "user": ""}
)
"""Chat's words among a deployment's parameters, with those of Messages."""
LIMIT_FIELD = "max_tokens"
_OWN = frozenset(MessagesRequest.__struct_encode_fields__)
CHAT_WORDS = frozenset(ChatRequest.__struct_encode_fields__) - _OWN
"""Chat's parameters that Messages do not know."""
METADATA, USER = "metadata", "user_id"
NULL = b"null"
FOREIGN_SIGNATURE = re.compile(rb'"(?:%s.*)?"' % GOOGLE.encode(), re.DOTALL)
"""The signature of thinking of another provider's model: an empty one, since nobody signed it, or Google's.
Anthropic refuses both."""
MAYBE_FOREIGN = re.compile(rb'"signature"\s*:\s*"(?:"|%s)' % GOOGLE.encode())

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_COUNTS = msgspec.json.Decoder(CountedTokens)


class NativeMessages:
    """Implements Native."""

    def fitted(
        self, request: MessagesRequest, target: Target
    ) -> tuple[MessagesRequest, Target, tuple[str, ...]] | None:
        """Leave out thinking of other providers' models, and the deployment's parameters that Messages do not
        have, and set marks of the cache."""
        fitted_target = _with_own_words(target)
        messages = bytes(request.raw.get("messages", b""))
        signed = _without_foreign(messages) if MAYBE_FOREIGN.search(messages) else None
        left = tuple(name for name in target.params if name in CHAT_WORDS and name not in RENAMED)
        fields = request.fields() if signed is not None or target.cache_points else {}
        if signed is not None:
            fields["messages"] = signed
        marked = mark_messages(fields, fitted_target)
        if signed is None and not marked:
            return None if fitted_target is target else (request, fitted_target, left)
        changed = msgspec.json.decode(msgspec.json.encode(fields), type=MessagesRequest)
        changed.with_raw(fields)
        unsigned = () if signed is None else ("messages.content.thinking",)
        return changed, fitted_target, (*left, *unsigned, *marked)

    def request(self, request: MessagesRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /v1/messages."""
        url = messages_url(target, streamed=bool(request.stream))
        return _post(url, _outgoing(request, target), target, facts)

    def answer(
        self, body: bytes, request: MessagesRequest, target: Target
    ) -> tuple[MessagesAnswer, Usage | None]:
        """Raises UpstreamMalformed for a body that is no message, and the mapped error for an error in a
        200."""
        message = decode_message(body, target)
        said = [
            SaidBlock(
                kind=block.kind, text=block.text, thinking=block.thinking, name=block.name, input=block.input
            )
            for block in message.content
        ]
        answer = MessagesAnswer(id=message.id, model=message.model, content=said)
        answer.with_wire(body)
        counts = counts_in(message.usage)
        return answer, None if counts is None else usage_of(counts)

    def told_bytes(self, answer: MessagesAnswer) -> int:
        total = 0
        for block in answer.content:
            texts = [block.text, block.thinking, block.name]
            texts.append(arguments_text(block.input) if present(block.input) else None)
            total += sum(len(text.encode()) for text in texts if text)
        return total

    def stream(self, request: MessagesRequest, target: Target) -> MessagesStream:
        return MessagesStream(target)


def count_request(request: CountRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
    """POST /v1/messages/count_tokens. The deployment's parameters concern answers, and are not added."""
    fields = request.fields()
    take_gateway_fields(fields, target)
    fields["model"] = _raw(target.model)
    fields.pop(METADATA, None)
    if target.body_version:
        fields[VERSION_FIELD] = _raw(target.body_version)
    return _post(count_url(target), fields, target, facts)


def counted_tokens(body: bytes, target: Target) -> CountedTokens:
    """The provider's count. Raises UpstreamMalformed, or the mapped error for an error in a 200."""
    try:
        found = decoded(_COUNTS, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error_instead(body, target, "The provider's answer is not a count of tokens.") from exc
    if found.input_tokens < 0:
        raise UpstreamMalformed("The provider counted less than no tokens.")
    found.with_wire(body)
    return found


def _post(url: str, fields: dict[str, msgspec.Raw], target: Target, facts: CallFacts) -> UpstreamRequest:
    headers = messages_headers(target, facts, callers_version(facts.pass_on))
    body = msgspec.json.encode(fields)
    return UpstreamRequest(url=url, headers=headers, body=body, tls=target.tls, signing=target.signing)


def _outgoing(request: Wire, target: Target) -> dict[str, msgspec.Raw]:
    fields = request.fields()
    take_gateway_fields(fields, target)
    fields["model"] = _raw(target.model)
    if target.body_version:
        fields[VERSION_FIELD] = _raw(target.body_version)
        del fields["model"]
    add_defaults(fields, target)
    metadata = fields.pop(METADATA, None)
    user = None if metadata is None else _user_of(metadata)
    if user is not None:
        fields[METADATA] = _raw({USER: user})
    return fields


def _user_of(metadata: msgspec.Raw) -> msgspec.Raw | None:
    try:
        user = _OBJECT.decode(metadata).get(USER)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if user is None or not present(user) else user


def _with_own_words(target: Target) -> Target:
    """The deployment with its parameters, and the name of its limit, as Messages have them."""
    params = target.params
    if target.limit_field == LIMIT_FIELD and CHAT_WORDS.isdisjoint(params):
        return target
    kept = {name: raw for name, raw in params.items() if name not in CHAT_WORDS}
    for name, new in RENAMED.items():
        raw = params.get(name)
        if new and raw is not None and bytes(raw) != NULL:
            is_text = name == "stop" and bytes(raw)[:1] == b'"'
            kept.setdefault(new, msgspec.Raw(b"[" + bytes(raw) + b"]") if is_text else raw)
    return msgspec.structs.replace(target, params=kept, limit_field=LIMIT_FIELD)


def _without_foreign(messages: bytes) -> msgspec.Raw | None:
    """The messages without thinking that another provider's model did. A message that held nothing else is
    left out. None: they hold none, or have another shape than Anthropic's."""
    kept, changed = [], False
    try:
        for turn in _OBJECTS.decode(messages):
            content = turn.get("content")
            if content is not None and MAYBE_FOREIGN.search(bytes(content)) and bytes(content)[:1] == b"[":
                blocks = _OBJECTS.decode(content)
                signed = [block for block in blocks if not _is_foreign(block)]
                changed = changed or len(signed) < len(blocks)
                if not signed:
                    continue
                turn["content"] = _raw(signed)
            kept.append(turn)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _raw(kept) if changed else None


def _is_foreign(block: Mapping[str, msgspec.Raw]) -> bool:
    signature = bytes(block.get("signature", b""))
    return bytes(block.get("type", b"")) == b'"thinking"' and bool(FOREIGN_SIGNATURE.fullmatch(signature))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
