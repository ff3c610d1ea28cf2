"""Names of models and patterns with a star, such as `openai/*`: which name a pattern or a list covers."""

from collections.abc import Sequence

STAR = "*"
EVERYTHING = frozenset({"*", "all-proxy-models"})


def permits(allowed: Sequence[str], name: str) -> bool:
    """Whether a key's list of models covers a name. An entry of the list may be a wildcard itself."""
    return any(entry in EVERYTHING or covers(entry, name) for entry in allowed)


def covers(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern. The first star of the pattern stands for one or more characters. A
    second star stands for itself, since no rule gives it a meaning."""
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == name
    return len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail)
