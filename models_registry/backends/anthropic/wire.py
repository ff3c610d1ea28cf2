"""Requests and answers of Anthropic's Messages, as the translation and the byte path make and read them.

Vertex AI has the model in the address, and in the body `anthropic_version` in its place
(`Target.body_version`). The answers are the same.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.dialects.anthropic import MessagesResponse
from schema.wire import ABSENT, MaybeRaw, present

VERSION = "2023-06-01"
"""The `anthropic-version`. Later versions refuse sampling parameters, which callers in OpenAI's dialect
send."""
VERSION_HEADER = "anthropic-version"
FOREIGN = ("openai-", VERSION_HEADER)
KEY_HEADER = "x-api-key"
VERSION_FIELD = "anthropic_version"
COUNTER = "count-tokens"
"""What Vertex AI has in a model's place where tokens are counted."""


class _AnswerHead(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""
    error: MaybeRaw = ABSENT


_ANSWERS = msgspec.json.Decoder(_AnswerHead)
_MESSAGES = msgspec.json.Decoder(MessagesResponse)


def messages_url(target: Target, *, streamed: bool) -> str:
    """The address of Messages. Other providers may have it at a place of its own (`messages_base`)."""
    if target.body_version:
        method = "streamRawPredict" if streamed else "rawPredict"
        return f"{target.api_base}/models/{quote(target.model, safe='@')}:{method}"
    return (target.messages_base or target.api_base) + target.dialect.facts.messages_path


def count_url(target: Target) -> str:
    """The address at which tokens are counted."""
    if target.body_version:
        return f"{target.api_base}/models/{COUNTER}:rawPredict"
    return f"{messages_url(target, streamed=False)}/count_tokens"


def messages_headers(target: Target, facts: CallFacts, version: str = VERSION) -> dict[str, str]:
    """The headers. Providers of another dialect get the key in their own header too."""
    if target.body_version:
        return upstream_headers(target, facts, credential=bearer(target), foreign=FOREIGN)
    credential = {VERSION_HEADER: version}
    if target.dialect.facts.borrows_messages:
        credential.update(bearer(target))
    if target.api_key is not None:
        credential[KEY_HEADER] = target.api_key.reveal()
    return upstream_headers(target, facts, credential=credential, foreign=FOREIGN)


def callers_version(pass_on: Mapping[str, str]) -> str:
    """The `anthropic-version` that the caller speaks."""
    return pass_on.get(VERSION_HEADER) or VERSION


def decode_message(body: bytes, target: Target) -> MessagesResponse:
    """A whole answer. Raises UpstreamMalformed for a body that is no message, and the mapped error for an
    error in a 200."""
    try:
        answer = decoded(_ANSWERS, body)
        if answer.kind == "error" or present(answer.error):
            raise error_instead(body, target, "The provider's answer is an error.")
        return decoded(_MESSAGES, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise error_instead(body, target, f"The provider's answer is not a message: {exc}") from exc
