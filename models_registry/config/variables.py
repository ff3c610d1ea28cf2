"""Looks up the variables that a config names: `os.environ/OPENAI_API_KEY`."""

import re
from collections.abc import Mapping
from typing import Any

from models_registry.config.conversion import kind_of
from models_registry.config.entries import Unset

ENV_PREFIX = "os.environ/"
PROTECTED = frozenset(
    {"PATH", "HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "LD_PRELOAD", "LD_LIBRARY_PATH", "SHELL"}
)
"""Names that `environment_variables` must not set: they decide what code runs."""
_VARIABLE = re.compile(
    r"""\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=?][^}]*)?\}"""
    r"""|^\$([A-Z_][A-Z0-9_]+)$|^\$?\{\{\s*(?:env\.)?([A-Z_][A-Z0-9_]+)\s*\}\}$"""
    r"""|^os\.(?:environ(?:\.get)?|getenv)[.\[(:]\s*["']?([A-Za-z_][A-Za-z0-9_]*)"""
    r"""|^env[./:]([A-Z_][A-Z0-9_]+)$"""
)
"""Ways of other programs to write a variable."""


class Variables:
    """The environment as a config sees it, with the file's `environment_variables` over the process's."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self.unset: list[Unset] = []
        """The variables that were asked for and are missing."""
        self.written: list[str] = []
        """The paths of texts that look like a variable and are taken as they are."""

    def export(self, variables: Any) -> list[str]:
        """Add the `environment_variables` of a config, and give the errors in them."""
        if variables is None:
            return []
        if not isinstance(variables, Mapping):
            return [f"environment_variables: expected a mapping, found {kind_of(variables)}"]
        errors = []
        for name, value in variables.items():
            path = f"environment_variables.{name}"
            if name in PROTECTED:
                errors.append(f"{path}: this variable decides what code runs and can't be set here")
            elif isinstance(value, (str, int, float, bool)):
                found = self.resolved(value, path)
                if found is not None:
                    self.env[str(name)] = str(found)
            else:
                errors.append(f"{path}: expected text, found {kind_of(value)}")
        return errors

    def resolved(self, value: Any, path: str) -> Any:
        """The value with each `os.environ/NAME` looked up. As at LiteLLM, texts in mappings are looked up,
        also in mappings inside lists, and texts that stand in a list are not. A variable that is missing
        becomes null."""
        if isinstance(value, Mapping):
            return {key: self.resolved(inner, f"{path}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [
                self.resolved(inner, f"{path}[{index}]") if isinstance(inner, (Mapping, list)) else inner
                for index, inner in enumerate(value)
            ]
        if not isinstance(value, str) or not value.startswith(ENV_PREFIX):
            if isinstance(value, str) and _VARIABLE.search(value):
                self.written.append(path)
            return value
        name = value.removeprefix(ENV_PREFIX)
        text = self.env.get(name)
        if text is None:
            self.unset.append(Unset(path=path, variable=name))
        return {"True": True, "true": True, "False": False, "false": False}.get(text or "", text)

    def forget_unset(self, path: str) -> bool:
        """A variable that the environment lacks matters nothing where its key has no effect. True where there
        was one."""
        inside = (f"{path}.", f"{path}[")
        kept = [each for each in self.unset if each.path != path and not each.path.startswith(inside)]
        found = len(kept) < len(self.unset)
        self.unset = kept
        return found
