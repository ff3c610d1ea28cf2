"""Thought signatures that stay with a conversation although its client knows only OpenAI's fields.

Google signs the turn in which its model thought, and refuses the next call without the signature. A client
that collects an answer keeps the ids of its tool calls, since results need them. So the signature of a tool
call stands in its id, `w71i0cbt__thought__EqgCCqUC...`, as at LiteLLM. The signature of a text stands in
`thinking_blocks`, with the maker's name in front: another provider can't read it.
"""

import re

SEPARATOR = "__thought__"
GOOGLE = "google:"
OPENAI = "openai:"
_SAFE = str.maketrans("+/", "-_")
_PLAIN = str.maketrans("-_", "+/")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]+")


def with_signature(id: str, signature: str) -> str:
    """The id of a tool call with its signature (base64) in it. It has letters, digits, `_` and `-` alone."""
    return f"{id}{SEPARATOR}{signature.rstrip('=').translate(_SAFE)}" if signature else id


def id_and_signature(id: str) -> tuple[str, str]:
    """The id without the signature, and the signature in plain base64. Empty: it has none."""
    plain, found, signature = id.partition(SEPARATOR)
    if not found or not _BASE64.fullmatch(signature):
        return id, ""
    whole = signature.rstrip("=").translate(_PLAIN)
    return plain, whole + "=" * (-len(whole) % 4)


def of_google(signature: str) -> str:
    """The signature of a text, marked as Google's."""
    return GOOGLE + signature


def googles(signature: str | None) -> str:
    """Google's own signature. Empty: it is another provider's, or there is none."""
    return signature[len(GOOGLE) :] if signature and signature.startswith(GOOGLE) else ""


def of_openai(sealed: str) -> str:
    """Thinking that OpenAI sealed, marked as OpenAI's."""
    return OPENAI + sealed


def openais(data: str | None) -> str:
    """Thinking as OpenAI sealed it. Empty: another provider did, or there is none."""
    return data[len(OPENAI) :] if data and data.startswith(OPENAI) else ""
