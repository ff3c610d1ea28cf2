"""The ids of tool calls as Anthropic and Bedrock take them: letters, digits, `_` and `-`, each id once.

Other providers have ids with dots, colons, bars or blanks, and some give the same id to the first call of
every answer. A call and its result get the same new id. Google's signature is left out of it.
"""

import hashlib
import re

from models_registry.backends.changes import Changes
from models_registry.backends.signatures import id_and_signature

VALID = re.compile(r"[a-zA-Z0-9_-]+")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
MAX_CHARS = 1_000_000
MAX_KEPT = 40
"""The characters of a changed id that stay. A hash of the whole id follows."""
HASH_CHARS = 12


class ToolIds:
    """The ids of one conversation, in the order of its messages."""

    def __init__(self, changes: Changes, max_chars: int = MAX_CHARS) -> None:
        self._changes = changes
        self._max_chars = max_chars
        self._used: set[str] = set()
        self._waiting: dict[str, list[str]] = {}
        """The calls of an id, by their new ids, that have no result yet."""
        self._answered: dict[str, str] = {}
        """The latest call of an id that has a result."""

    def of_call(self, id: str) -> str:
        """The id of a call."""
        plain, _ = id_and_signature(id)
        new = as_taken(plain, self._max_chars)
        number = 1
        while new in self._used:
            number += 1
            new = as_taken(f"{plain}_{number}", self._max_chars)
        self._used.add(new)
        self._waiting.setdefault(id, []).append(new)
        if new != id:
            self._changes.add("messages.tool_calls.id")
        return new

    def of_result(self, id: str) -> str:
        """The id of the call that a result belongs to: of several calls with one id, the first without a
        result."""
        waiting = self._waiting.get(id)
        if waiting:
            self._answered[id] = waiting.pop(0)
        return self._answered.get(id) or as_taken(id_and_signature(id)[0], self._max_chars)


def as_taken(id: str, max_chars: int = MAX_CHARS) -> str:
    """An id in these characters, and with no more of them. Two ids never become one."""
    if VALID.fullmatch(id) and len(id) <= max_chars:
        return id
    digest = hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:HASH_CHARS]
    return f"{_OTHER.sub('_', id[:MAX_KEPT])}_{digest}"
