"""What the checks of a config say, as the lines that its owner reads: the same thing once, and nothing that
only follows from something else."""

import re
from collections.abc import Iterable, Sequence

from models_registry.config.entries import Skipped, Unset

MAX_NAMED = 100
"""The most variables, and the most entries of a variable, that a line names."""
SHOWN_ALONE = 3
"""So many variables are told with the place that asks for each."""
_ENTRY = re.compile(r"model_list\[[0-9]+\]")


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """Why deployments are skipped. Those that lack a variable share a line where they are several."""
    lacking = [each for each in skipped if each.variable and not each.follows]
    together = len(lacking) > 1
    lines = folded(
        f"{each.reason} (this deployment is skipped{_with(each, skipped)})"
        for each in skipped
        if not each.follows and not (together and each.variable)
    )
    if not together:
        return lines
    by_variable: dict[str, list[Skipped]] = {}
    for each in lacking:
        for variable in (each.variable, *each.also):
            by_variable.setdefault(variable, []).append(each)
    named = [f"{name} ({_entries(found)})" for name, found in by_variable.items()]
    also = "".join(_with(each, skipped) for each in lacking)
    return [
        *lines,
        f"{len(lacking)} deployments are skipped{also}: the environment has no value for {_listed(named)}",
    ]


def folded(lines: Iterable[str]) -> list[str]:
    """Lines that say the same of several entries of `model_list` as one, with the paths of the others."""
    found: dict[str, list[str]] = {}
    for line in lines:
        match = _ENTRY.match(line)
        path = match.group() if match else ""
        found.setdefault(line[len(path) :], []).append(path)
    return [
        f"{first}{rest}{f' (and {_listed(others, most=5)})' if others and first else ''}"
        for rest, (first, *others) in found.items()
    ]


def unset_lines(unset: Sequence[Unset]) -> list[str]:
    """The variables that the environment lacks, in one line; those of skipped deployments are theirs."""
    paths: dict[str, str] = {}
    for each in unset:
        paths.setdefault(each.variable, each.path)
    if len(unset) == 1:
        return [f"{unset[0].path}: the environment has no {unset[0].variable}"]
    if not unset:
        return []
    alone = len(paths) <= SHOWN_ALONE
    named = [f"{name} ({path})" if alone else name for name, path in paths.items()]
    return [f"the environment has no {_listed(named)}: what stands there is null"]


def written_lines(written: Sequence[str]) -> list[str]:
    """The places of texts that look like a variable and are none, in one line. The text may be a password."""
    if not written:
        return []
    return [
        "a variable is looked up where it is written as os.environ/NAME, and nowhere else; what stands there "
        f"is taken as text: {_listed(written, most=10)}"
    ]


def outside(lines: Iterable[str], skipped: Sequence[Skipped]) -> list[str]:
    """The lines that are about no skipped deployment: the others are worth a look once it is mended."""
    paths = tuple(f"{each.path}{end}" for each in skipped for end in (".", ":"))
    return [line for line in lines if not line.startswith(paths)]


def unset_outside(unset: Iterable[Unset], skipped: Sequence[Skipped]) -> list[Unset]:
    paths = tuple(f"{each.path}." for each in skipped)
    return [each for each in unset if not each.path.startswith(paths)]


def _entries(found: Sequence[Skipped]) -> str:
    names = list(dict.fromkeys(each.model_name or each.path for each in found))
    return f"{_listed(names, most=5)}: {_listed([each.path for each in found], most=5)}"


def _with(cause: Skipped, skipped: Sequence[Skipped]) -> str:
    """The entries that are skipped with this one."""
    others = [each.path for each in skipped if each.follows == cause.path]
    if not others:
        return ""
    return f", and with it {_listed(others)}, which would take calls of a local model elsewhere"


def _listed(names: Sequence[str], *, most: int = MAX_NAMED) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
