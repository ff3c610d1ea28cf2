"""The guardrails that keys, users, teams, projects, organizations and models may name: those in force."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from functions.ports.guardrails import Guardrails
from schema.errors.base import shortened
from schema.errors.requests import InvalidRequest
from schema.metadata import MetadataChange

GUARDRAILS = "guardrails"
MAX_TOLD = 20
_NAMES = msgspec.json.Decoder(list[str] | None)


def check_guardrails(changes: Mapping[str, object], guardrails: Guardrails) -> None:
    """Check the names in a change of a row. Raises InvalidRequest for one that is not in force."""
    metadata = changes.get("metadata")
    put = metadata.put if isinstance(metadata, MetadataChange) else {}
    if GUARDRAILS in put:
        check_names(_NAMES.decode(put[GUARDRAILS]) or (), guardrails, param=GUARDRAILS)


def check_params(params: Mapping[str, Any], guardrails: Guardrails) -> None:
    """The same for the parameters of a model that is to be stored."""
    found = params.get(GUARDRAILS)
    if isinstance(found, list):
        check_names((str(name) for name in found), guardrails, param=f"litellm_params.{GUARDRAILS}")


def check_names(names: Iterable[str], guardrails: Guardrails, *, param: str) -> None:
    """Raises InvalidRequest for a name of no guardrail that is in force: its calls would be refused."""
    known = guardrails.rules.guardrails
    for name in names:
        if name not in known:
            there = ", ".join(list(known)[:MAX_TOLD]) or "none"
            raise InvalidRequest(
                f"{param}: there is no guardrail {shortened(name, 64)!r} in force; there are: {there}.",
                param=param,
            )
