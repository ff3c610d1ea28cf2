"""The commands in the user's document and in our docs, and what each of them names."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from runtime.__main__ import command_line
from tests.e2e.document import DOCUMENT
from tests.test_house import ROOT

INFRA = ROOT / "infra"
PROGRAMS = ("docker", "just", "switchgear", "./scripts/setup.sh")
UV_JUST = re.compile(
    r"^(?:python3 -m venv .tools && .tools/bin/pip install -?q? ?uv && )?\.tools/bin/uv run just\b"
)
INLINE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```(?:bash|sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMPOSE_WORDS = frozenset(
    ("up", "down", "ps", "exec", "restart", "logs", "cp", "pull", "start", "stop", "config", "run", "build")
)
GATEWAY = "litellm"
"""The service whose image has our one command as its entry point."""
VALUED = frozenset(("--tail", "-f", "--env-file", "-e", "--profile"))
"""Options of `docker compose` that take a value."""
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\.\.\.|[\[\]<>]")
"""What stands for something else in a command that is no example."""


PATH = re.compile(
    r"(?:\./)?(?:config|docs|functions|infra|models_registry|runtime|schema|scripts|tests)/[\w./-]+"
)
"""A file of the repository, as it is named from the root or from `infra/`."""


class Command(NamedTuple):
    """A command, and the page that has it."""

    page: str
    line: str


class Wrong(Exception):
    """A command names what is not there."""


def commands() -> list[Command]:
    """Every command of ours and of docker's in the document, in README.md and in docs/, once a page."""
    pages = {"the document": DOCUMENT}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        pages[str(path.relative_to(ROOT))] = path.read_text()
    return [Command(page, line) for page, text in pages.items() for line in dict.fromkeys(_lines(text))]


def _lines(text: str) -> Iterator[str]:
    for block in BLOCK.findall(text):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            yield from _of_ours(line)
    for inline in INLINE.findall(BLOCK.sub("", text)):
        yield from _of_ours(inline)


def _of_ours(line: str) -> Iterator[str]:
    line = UV_JUST.sub("just", line.strip())
    if line.startswith(tuple(f"{program} " for program in PROGRAMS)) or line in PROGRAMS:
        yield line


def check(command: Command) -> None:
    """Raises Wrong where the command names a service, container, file, recipe, subcommand or option that is
    not there."""
    try:
        words = shlex.split(command.line, comments=True)
    except ValueError as exc:
        raise Wrong(f"no command line: {exc}") from exc
    missing = [each for each in words if PATH.fullmatch(each) and not is_there(each)]
    if missing:
        raise Wrong(f"no file {', '.join(missing)}")
    program, rest = words[0], words[1:]
    if program == "just":
        _check_just(rest)
    elif program == "switchgear":
        _check_switchgear(rest)
    elif program == "./scripts/setup.sh":
        _check_setup(rest)
    elif rest[:1] == ["compose"]:
        _check_compose(rest[1:])
    elif rest[:1] == ["exec"]:
        container, *inside = _without_options(rest[1:])
        if container not in containers():
            raise Wrong(f"no service has the container_name {container}")
        _check_inside(inside)


def is_there(path: str) -> bool:
    """Whether a file is there, seen from the root or from `infra/`."""
    return (ROOT / path).exists() or (INFRA / path).exists()


def services() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("compose.yaml", "compose.override.yaml", "compose.production.yaml"):
        found.update(yaml.safe_load((INFRA / name).read_text()).get("services") or {})
    return found


def containers() -> set[str]:
    listed = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"].values()
    return {each["container_name"] for each in listed if "container_name" in each}


def _without_options(words: Sequence[str]) -> list[str]:
    left = list(words)
    while left and left[0].startswith("-"):
        del left[: 2 if left[0] in VALUED else 1]
    return left


def _check_compose(words: Sequence[str]) -> None:
    left = _without_options(words)
    if not left:
        return
    verb, named = left[0], _without_options(left[1:])
    if verb not in COMPOSE_WORDS:
        raise Wrong(f"docker compose has no command {verb}")
    if verb == "exec":
        _check_service(named[0])
        _check_inside(named[1:])
    elif verb == "run":
        _check_service(named[0])
        if named[0] == GATEWAY:
            _check_switchgear(named[1:])
    elif verb == "cp":
        _check_service(named[0].partition(":")[0])
    else:
        for name in (each for each in named if not each.startswith("-")):
            _check_service(name)


def _check_service(name: str) -> None:
    if name not in services() and not PLACEHOLDER.search(name):
        raise Wrong(f"no service {name} in infra/compose.yaml")


def _check_inside(words: Sequence[str]) -> None:
    """What is run inside a container: our one command is checked, and others are the image's own."""
    if words[:1] == ["switchgear"]:
        _check_switchgear(words[1:])


def _check_switchgear(words: Sequence[str]) -> None:
    if words[:1] == ["start"]:
        words = ["serve", *words[1:]]
    if len(words) < 2 or any(PLACEHOLDER.search(each) for each in words if not each.startswith("-")):
        _check_options(words)
        return
    try:
        with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
            command_line({}).parse_args(list(words))
    except SystemExit as exc:
        if exc.code:
            raise Wrong(told.getvalue().strip().splitlines()[-1]) from exc


def _check_options(words: Sequence[str]) -> None:
    """A command with placeholders in it, or its name alone: the name and the options exist."""
    named = [each for each in words if not each.startswith("-")]
    if not named or PLACEHOLDER.fullmatch(named[0]):
        return
    known = subcommands().get(named[0])
    if known is None:
        raise Wrong(f"no command {named[0]}")
    unknown = [each for each in words if each.startswith("--") and each.partition("=")[0] not in known]
    if unknown:
        raise Wrong(f"{named[0]} has no option {', '.join(unknown)}")


def subcommands() -> dict[str, set[str]]:
    """The commands of `python -m runtime`, each with its options."""
    (chosen,) = (each for each in command_line({})._actions if each.choices)
    choices: Any = chosen.choices
    return {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in choices.items()
    }


def recipes() -> dict[str, str]:
    """The recipes of the justfile, each with its text."""
    found = re.findall(r"^([a-z][a-z-]*)[^:=\n]*:\n((?:[ \t]+.*\n?)+)", (ROOT / "justfile").read_text(), re.M)
    return dict(found)


def _check_just(words: Sequence[str]) -> None:
    if not words:
        return
    name, *rest = words
    if name not in recipes():
        raise Wrong(f"no recipe {name} in the justfile")
    text = recipes()[name]
    ours = re.search(r"-m runtime ([a-z-]+)", text)
    module = re.search(r'-m ((?:tests|runtime)[\w.]*) "\$@"', text)
    if ours is not None:
        _check_switchgear([ours[1], *rest])
    elif module is not None:
        path = ROOT / module[1].replace(".", "/")
        source = next(each for each in (path.with_suffix(".py"), path / "__main__.py") if each.exists())
        unknown = [each for each in rest if each.startswith("--") and each not in source.read_text()]
        if unknown:
            raise Wrong(f"just {name} has no option {', '.join(unknown)}")


def _check_setup(words: Sequence[str]) -> None:
    script = Path(INFRA / "scripts" / "setup.sh").read_text()
    unknown = [each for each in words if each.startswith("--") and each not in script]
    if unknown:
        raise Wrong(f"setup.sh has no option {', '.join(unknown)}")
