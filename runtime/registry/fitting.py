"""What of the stored settings of the router can be in force.

A setting that another version stored, or SQL, may be one that this version can't use. It is left out, and the
others are in force. Settings of the response cache need no such care: wrong ones switch it off.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from models_registry.config.stored import ROUTER_SETTINGS, Stored, Values, unknown_settings
from runtime.blueprint import Checked

MAX_SHOWN = 100


class Fitting(NamedTuple):
    """What is stored and can be in force, and the registry of it. Its config says what is left out, and why
    (`unfit_settings`)."""

    stored: Stored
    checked: Checked


def fitting(stored: Stored, check: Callable[[Stored], Checked]) -> Fitting:
    """What is stored without the settings of the router that can't be in force. `check` builds the registry.
    Where a setting is wrong, each is judged together with those before it."""
    unfit = {ROUTER_SETTINGS: f"{ROUTER_SETTINGS}: {stored.router_flaw}"} if stored.router_flaw else {}
    for name in unknown_settings(stored.router_settings):
        unfit[name] = f"{ROUTER_SETTINGS}.{name[:MAX_SHOWN]}: this version has no such setting"
    known = {name: value for name, value in stored.router_settings.items() if name not in unfit}
    fit = _with_router(stored, known)
    checked = check(fit)
    if checked.errors:
        fit = _with_router(stored, {})
        others = {*check(fit).errors}
        for name, value in known.items():
            tried = _with_router(stored, {**fit.router_settings, name: value})
            wrong = next((each for each in check(tried).errors if each not in others), "")
            if wrong:
                path = f"{ROUTER_SETTINGS}.{name}"
                unfit[name] = wrong if wrong.startswith(path) else f"{path}: {wrong}"
            else:
                fit = tried
        checked = check(fit)
    if unfit:
        config = msgspec.structs.replace(checked.config, unfit_settings=unfit)
        checked = msgspec.structs.replace(checked, config=config)
    return Fitting(fit, checked)


def newly_unfit(before: Checked, after: Checked, *, changed: Collection[str] = ()) -> list[str]:
    """Why stored settings of the router could not be in force that could be before, or that are `changed`."""
    was, unfit = before.config.unfit_settings, after.config.unfit_settings
    return [reason for name, reason in unfit.items() if name not in was or name in changed]


def _with_router(stored: Stored, settings: Values) -> Stored:
    return msgspec.structs.replace(stored, router_settings=settings)
