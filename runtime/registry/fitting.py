"""What of the stored settings of the router can be in force.

A setting that another version stored, or SQL, may be one that this version can't use. It is left out, and the
others are in force. Settings of the response cache need no such care: wrong ones switch it off.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from models_registry.config.storable import unknown_settings, variable_in
from models_registry.config.stored import ROUTER_SETTINGS, Stored
from models_registry.routing.choice_settings import unknown_words
from runtime.blueprint import Checked

MAX_SHOWN = 100
NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})
_NAME = re.compile(r"[^a-z_]")


class Fitting(NamedTuple):
    """What is stored and can be in force, and the registry of it. Its config says what is left out, and why
    (`unfit_settings`)."""

    stored: Stored
    checked: Checked


def fitting(
    stored: Stored, check: Callable[[Stored], Checked], known: Mapping[str, str] = NOTHING_KNOWN
) -> Fitting:
    """What is stored without the settings of the router that can't be in force. `check` builds the registry,
    which takes seconds where a thousand models get other settings: an error names its setting, so that it is
    built once more for each wrong one. `known` are settings that were left out before."""
    unfit = {name: reason for name, reason in known.items() if name in stored.router_settings}
    if stored.router_flaw:
        unfit[ROUTER_SETTINGS] = f"{ROUTER_SETTINGS}: {stored.router_flaw}"
    for name in unknown_settings(stored.router_settings):
        unfit[name] = f"{ROUTER_SETTINGS}.{name[:MAX_SHOWN]}: this version has no such setting"
    unfit |= unknown_words(stored.router_settings)
    for name, value in stored.router_settings.items():
        if variable_in({name: value}) is not None:
            path = f"{ROUTER_SETTINGS}.{name[:MAX_SHOWN]}"
            unfit[name] = f"{path}: it names a variable, which the config file alone may do"
    while True:
        settings = {name: value for name, value in stored.router_settings.items() if name not in unfit}
        fit = msgspec.structs.replace(stored, router_settings=settings)
        checked = check(fit)
        wrong = _wrong(checked.errors, settings)
        if not wrong:
            break
        unfit |= wrong
    if unfit:
        config = msgspec.structs.replace(checked.config, unfit_settings=unfit)
        checked = msgspec.structs.replace(checked, config=config)
    return Fitting(fit, checked)


def _wrong(errors: Sequence[str], names: Collection[str]) -> dict[str, str]:
    """The first error about each of these settings, by its name. An error begins with the path of what is
    wrong: `router_settings.num_retries: ...`."""
    found: dict[str, str] = {}
    for error in errors:
        section, _, rest = error.partition(".")
        name = _NAME.split(rest, maxsplit=1)[0]
        if section == ROUTER_SETTINGS and name in names:
            found.setdefault(name, error)
    return found


def newly_unfit(before: Checked, after: Checked, *, changed: Collection[str] = ()) -> list[str]:
    """Why stored settings of the router could not be in force that could be before, or that are `changed`."""
    was, unfit = before.config.unfit_settings, after.config.unfit_settings
    return [reason for name, reason in unfit.items() if name not in was or name in changed]
