"""Which function of a deployment a path leads to, and with which parameters."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from functions.contract.roles import Access
from runtime.catalog import Entry, entries, entry_named
from schema.errors.base import shortened
from schema.errors.requests import MethodNotAllowed
from schema.errors.rows import NotFound

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")
_OF_MODELS = (Access.MODEL, Access.MODELS_READ, Access.RESPONSES)


class WrongMethod(MethodNotAllowed):
    """The path is there, and not with this method. `allowed` lists those that it has."""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{shortened(method, 20)} is not allowed here; use {allowed}.")
        self.allowed = allowed

    @property
    def reply_headers(self) -> Mapping[str, str]:
        return {"allow": self.allowed}


class FoundFunction(NamedTuple):
    """A function, and the parameters of the path that led to it."""

    entry: Entry
    path: Mapping[str, str]


class FunctionRoutes:
    """The functions that one deployment serves."""

    def __init__(self, served: Sequence[Entry]) -> None:
        self._served = served
        self._paths = [
            (re.compile(_pattern(path, entry)), entry)
            for entry in served
            for path in (entry.manifest.path, *entry.manifest.aliases)
        ]
        self._paths.sort(key=lambda each: (each[0].groups, -len(each[0].pattern)))

    @property
    def names(self) -> list[str]:
        return [entry.manifest.name for entry in self._served]

    def find(self, method: str, path: str) -> FoundFunction:
        """The function of a path. Paths without parameters come first. Raises NotFound and
        MethodNotAllowed."""
        methods = []
        for pattern, entry in self._paths:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if entry.manifest.method == ("GET" if method == "HEAD" else method):
                return FoundFunction(entry, match.groupdict())
            methods.append(entry.manifest.method)
        if methods:
            raise WrongMethod(method, ", ".join(dict.fromkeys(methods)))
        raise NotFound(
            f"{shortened(path, 200)}: this deployment serves {shortened(', '.join(self.names), 500)} alone."
        )


def routes_of(name: str) -> FunctionRoutes:
    """What a deployment serves: the one function of this name, or all functions of a family that has the
    name. Raises UnknownFunction."""
    entry = entry_named(name)
    family = name.replace("-", "_")
    if entry.manifest.family != family:
        return FunctionRoutes([entry])
    return FunctionRoutes([each for each in entries([family]) if each.manifest.family == family])


def _pattern(path: str, entry: Entry) -> str:
    """A path of the catalogue as a pattern. A model's name in the middle of a path may hold slashes, as over
    HTTP."""
    middle = entry.manifest.access in _OF_MODELS and path.count("{") == 1 and not path.endswith("}")
    parts, at = [], 0
    for match in _PARAMETER.finditer(path):
        whole = match[2] or middle
        parts += [re.escape(path[at : match.start()]), f"(?P<{match[1]}>{'.+' if whole else '[^/]+'})"]
        at = match.end()
    return "".join([*parts, re.escape(path[at:])])
