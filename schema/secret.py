"""A credential that can't be printed by accident, and the hash of a key."""

import hashlib

MIN_KEY_CHARS = 16
"""A key that somebody chooses has at least so many characters: shorter ones can be guessed."""
MIN_SENT_KEY_CHARS = 8
"""A key that a call brings has at least so many characters. The number is lower, since LiteLLM lets its users
choose short keys, and rows that were taken over from LiteLLM have to go on working. A shorter text is refused
without a look-up."""
MAX_KEY_CHARS = 512


class Secret:
    """Holds a credential; only `reveal()` gives it. Its repr, str and format are stars."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def key_hash_of(key: str) -> str:
    """How keys are stored: lower-case hex SHA-256, as LiteLLM does."""
    return hashlib.sha256(key.encode()).hexdigest()


def hash_of(key_or_hash: str) -> str:
    """A key's hash; a hash as it is. A key starts with `sk-`, so neither is taken for the other."""
    return key_hash_of(key_or_hash) if key_or_hash.startswith("sk-") else key_or_hash
