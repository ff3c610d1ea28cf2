"""Reads one entry of a list in the config, such as a rule of `content_rules` or a host of `local_hosts`."""

from collections.abc import Mapping, Set
from typing import Any

MAX_UNKNOWN_CHARS = 64
"""The longest part of an unknown name that a message repeats."""


class ListedEntry:
    """An entry, and what is wrong with it: `errors`, each with its path."""

    def __init__(self, path: str, item: Any) -> None:  # values of YAML
        self._path = path
        self.errors: list[str] = []
        self._item: Mapping[str, Any] = item if isinstance(item, Mapping) else {}
        if not isinstance(item, Mapping):
            self.errors.append(f"{path}: expected a mapping")

    def wrong(self, name: str, what: str) -> None:
        """Note what is wrong with a field of the entry."""
        self.errors.append(f"{self._path}.{name}: {what}")

    def check_names(self, known: Set[str]) -> None:
        """Note the fields that such an entry does not have."""
        for name in self._item:
            if name not in known:
                self.wrong(str(name)[:MAX_UNKNOWN_CHARS], f"unknown; there are {', '.join(sorted(known))}")
