"""A credential that can't be printed by accident, and the hash of a key."""

import hashlib


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


def hash_of(key_or_hash: str) -> str:
    """A key's hash; a hash as it is. A key starts with `sk-`, so neither is taken for the other."""
    if key_or_hash.startswith("sk-"):
        return hashlib.sha256(key_or_hash.encode()).hexdigest()
    return key_or_hash
