"""The compact record of why a call went where it went: in its row's metadata, and in a header on request."""

from collections.abc import Sequence

import msgspec

from models_registry.drops import Drop, Reason
from models_registry.target import Target

MOST_LISTED = 20
MAX_DETAIL_CHARS = 100
TOLD_DETAILS = frozenset({Reason.COOLING, Reason.CONTEXT_TOO_SMALL})
"""Reasons whose details everybody may know. Others have what belongs to the config or to other callers."""


class PassedOver(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A drop, for everybody."""

    model: str
    id: str = ""
    why: str
    detail: str = ""


class RouteRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    strategy: str
    model: str
    """The public name of the model that was attempted."""
    id: str
    """The deployment that was attempted."""
    of: int = 1
    """How many deployments the model has."""
    retries: int = 0
    fallbacks: int = 0
    passed_over: list[PassedOver] = []
    more: int = 0
    """How many more were passed over."""


def recorded(
    strategy: str, target: Target, *, retries: int, fallbacks: int, drops: Sequence[Drop]
) -> RouteRecord:
    """The record of the attempt at hand."""
    return RouteRecord(
        strategy=strategy,
        model=target.public_name,
        id=target.model_id,
        of=target.peers,
        retries=retries,
        fallbacks=fallbacks,
        passed_over=[passed_over(drop) for drop in drops[:MOST_LISTED]],
        more=max(0, len(drops) - MOST_LISTED),
    )


def passed_over(drop: Drop, *, whole: bool = False) -> PassedOver:
    """A drop as it is told. `whole`: with its detail, whatever the reason."""
    told = whole or drop.reason in TOLD_DETAILS
    return PassedOver(
        model=drop.model,
        id=drop.model_id or "",
        why=drop.reason.value,
        detail=drop.detail[:MAX_DETAIL_CHARS] if told else "",
    )
