"""Reading `config.yaml` and what it includes. What the text means is `models_registry/config/reader.py`'s."""

import re
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]  # a YAML mapping by definition
MAX_FILES = 100
MAX_BYTES = 16 * 1024 * 1024


class ConfigFileError(ValueError):
    """A config file that can't be read; the message names it and the place."""


def load_document(path: Path) -> Document:
    """The file with its `include`s merged in. Raises ConfigFileError."""
    return _load(path, [])


def merge(base: Document, other: Document) -> Document:
    """LiteLLM's rule: lists such as `model_list` are joined, other keys overwritten."""
    merged = dict(base)
    for key, value in other.items():
        before = merged.get(key)
        merged[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    return merged


def _load(path: Path, seen: list[Path]) -> Document:
    """Includes are relative to the file that names them."""
    path = path.resolve()
    if path in seen:
        raise ConfigFileError(f"{path}: includes itself, by way of {seen[-1]}")
    if len(seen) >= MAX_FILES:
        raise ConfigFileError(f"{path}: more than {MAX_FILES} files include each other")
    seen.append(path)
    document = _parse(path)
    includes = document.pop("include", None) or []
    if not isinstance(includes, list) or not all(
        isinstance(name, str) and "\0" not in name for name in includes
    ):
        raise ConfigFileError(f"{path}: include: expected a list of file names")
    for name in includes:
        document = merge(document, _load(path.parent / name, seen))
    seen.remove(path)
    return document


def _parse(path: Path) -> Document:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigFileError(f"{path}: larger than {MAX_BYTES} bytes")
        document = yaml.load(path.read_bytes(), _UniqueKeys)
    except OSError as exc:
        raise ConfigFileError(f"{path}: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise ConfigFileError(f"{path}: {_place(exc)}") from None  # its own text quotes the line
    except RecursionError:
        raise ConfigFileError(f"{path}: nested too deeply (recursion)") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigFileError(f"{path}: expected a mapping such as `model_list: ...`")
    return document


def _place(exc: yaml.YAMLError) -> str:
    """What is wrong and where, without the text: the line may hold a secret, and so may the name of
    an alias or tag (a password that begins with `*` or `!` reads as one)."""
    if isinstance(exc, yaml.MarkedYAMLError):
        problem = exc.problem or "not valid YAML"
        if re.search(r"\b(alias|anchor|tag)\b", problem):
            problem = re.split(r"\s['\"]", problem, maxsplit=1)[0]
        mark = exc.problem_mark or exc.context_mark
        return problem if mark is None else f"{problem}, line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(exc, yaml.reader.ReaderError):
        return f"{exc.reason}, position {exc.position}"
    return "not valid YAML"


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a key stand twice and keeps the last: in a config that hides a model or a limit.
    Its numbers and dates have to be ones that JSON, Python and a database can hold."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            fits = not isinstance(value, int) or value.bit_length() < 64
        except (ValueError, OverflowError):
            fits = False
        if not fits:
            raise yaml.constructor.ConstructorError(
                None, None, "a number or date out of range", node.start_mark
            ) from None
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} stands twice in one mapping", node.start_mark
                )
        return super().construct_mapping(node, deep)
