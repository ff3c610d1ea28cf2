"""Reads `config.yaml` and the files that it includes. `models_registry/config/reader.py` says what the text
means."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

Document = dict[str, Any]  # a YAML mapping has values of any type
MAX_FILES = 100
MAX_BYTES = 16 * 1024 * 1024


class ConfigFileError(ValueError):
    """A config file that can't be read. The message names the file and the place in it."""


class ConfigFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A config file and the files that it includes, as they were read together."""

    document: Document
    path: Path
    """The file as it was named. It may be a link."""
    main: Path
    """The file that `path` led to."""
    included: tuple[Path, ...]
    hash: str
    """The SHA-256 of what they hold, as hex."""


def load_document(path: Path) -> Document:
    """The parsed file, with the files of its `include` merged in. Raises ConfigFileError."""
    return load_files(path).document


def load_files(path: Path) -> ConfigFiles:
    """Read a config file and its includes. Raises ConfigFileError."""
    read: dict[Path, bytes] = {}
    document = _load(path, [], read)
    main, *others = read
    return ConfigFiles(
        document=document,
        path=path,
        main=main,
        included=tuple(others),
        hash=_hash([read[main], *map(read.get, others)]),
    )


def hash_now(files: ConfigFiles) -> str | None:
    """The hash of these files as they are now. None: one of them can't be read, is too large, or is another
    file, since a link leads elsewhere. Kubernetes changes a mounted file by changing a link."""
    try:
        if files.path.resolve() != files.main:
            return None
        return _hash([_bytes_of(each) for each in (files.main, *files.included)])
    except (OSError, ConfigFileError):
        return None


def _hash(contents: Sequence[bytes | None]) -> str:
    whole = hashlib.sha256()
    for content in contents:
        whole.update(hashlib.sha256(content or b"").digest())
    return whole.hexdigest()


def merge(base: Document, other: Document) -> Document:
    """Two documents as one, by LiteLLM's rule: lists such as `model_list` are joined, and other keys are
    overwritten by `other`."""
    merged = dict(base)
    for key, value in other.items():
        before = merged.get(key)
        merged[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    return merged


def _load(path: Path, seen: list[Path], read: dict[Path, bytes]) -> Document:
    """Read a file and its includes. The path of an include is relative to the file that names it. `read` gets
    the bytes of each file."""
    path = path.resolve()
    if path in seen:
        raise ConfigFileError(f"{path}: includes itself, by way of {seen[-1]}")
    if len(seen) >= MAX_FILES:
        raise ConfigFileError(f"{path}: more than {MAX_FILES} files include each other")
    seen.append(path)
    document = _parse(path, read)
    includes = document.pop("include", None) or []
    if not isinstance(includes, list) or not all(
        isinstance(name, str) and "\0" not in name for name in includes
    ):
        raise ConfigFileError(f"{path}: include: expected a list of file names")
    for name in includes:
        document = merge(document, _load(path.parent / name, seen, read))
    seen.remove(path)
    return document


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigFileError(f"{path}: larger than {MAX_BYTES} bytes")
    return content


def _parse(path: Path, read: dict[Path, bytes]) -> Document:
    try:
        content = read[path] = _bytes_of(path)
        document = yaml.load(content, _UniqueKeys)
    except OSError as exc:
        raise ConfigFileError(f"{path}: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise ConfigFileError(f"{path}: {_place(exc)}") from None  # the YAML error's own text quotes the line
    except RecursionError:
        raise ConfigFileError(f"{path}: nested too deeply (recursion)") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigFileError(f"{path}: expected a mapping such as `model_list: ...`")
    return document


def _place(exc: yaml.YAMLError) -> str:
    """What is wrong and where, without the text of the line, which may hold a secret. The name of an alias or
    a tag is left out too: a password that begins with `*` or `!` is read as one."""
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
    """A YAML loader that refuses two things. One is a key that stands twice in a mapping: YAML keeps the last
    one, and in a config that hides a model or a limit. The other is a number that JSON, Python or a database
    can't hold. A date stays the text that stands there: `api_version: 2024-10-21` is a version."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            fits = not isinstance(value, int) or value.bit_length() < 64
        except (ValueError, OverflowError):
            fits = False
        if not fits:
            raise yaml.constructor.ConstructorError(
                None, None, "a number out of range", node.start_mark
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


_UniqueKeys.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))
