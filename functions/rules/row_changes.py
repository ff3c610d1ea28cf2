"""What a body changes of a row: the columns that rows of several kinds have, checked. Pure.

Each function gives the new values of columns, by column. A field that is absent changes nothing, and null
clears its column.
"""

from collections.abc import Mapping, Sequence

from functions.contract.call import Call
from functions.contract.policy import Policy
from schema.errors.requests import InvalidRequest
from schema.fields import UNSET, LimitRequest, MaybeText, limit_changes, text, texts
from schema.metadata import MetadataChange, MetadataRequest, metadata_change
from schema.wire import Wire


def text_changes(request: Wire, names: Sequence[str], *, cleared: str | None = None) -> dict[str, object]:
    """The columns of one text each. A column that is cleared holds `cleared`. Raises InvalidRequest."""
    changes: dict[str, object] = {}
    for name in names:
        value = getattr(request, name)
        if value is not UNSET:
            changes[name] = text(value, param=name) if value else cleared
    return changes


def list_changes(request: Wire, names: Sequence[str]) -> dict[str, object]:
    """The columns of a list of texts each, such as `models`. Raises InvalidRequest."""
    changes: dict[str, object] = {}
    for name in names:
        value = getattr(request, name)
        if value is not UNSET:
            changes[name] = texts(value or [], param=name)
    return changes


def flag_changes(request: Wire, names: Sequence[str]) -> dict[str, object]:
    """The columns of a flag each, such as `blocked`."""
    values = {name: getattr(request, name) for name in names}
    return {name: bool(value) for name, value in values.items() if value is not UNSET}


def metadata_changes(request: MetadataRequest) -> dict[str, object]:
    """The column `metadata`. Raises InvalidRequest."""
    metadata = metadata_change(request)
    return {} if metadata is None else {"metadata": metadata}


def of_new_row(changes: Mapping[str, object]) -> dict[str, object]:
    """The columns of a row that is made by these changes. Raises InvalidRequest for metadata that are too
    large."""
    metadata = changes.get("metadata")
    if not isinstance(metadata, MetadataChange):
        return dict(changes)
    return {**changes, "metadata": metadata.applied({})}


def own_limits(
    request: LimitRequest, budget_id: MaybeText, *, call: Call, policy: Policy
) -> dict[str, object]:
    """The limits that a body gives a row itself. Raises InvalidRequest where the body names a budget as
    well."""
    limits = limit_changes(request, call.received_at, policy.zone)
    if limits and budget_id:
        raise InvalidRequest("budget_id: name a budget or give limits, not both.", param="budget_id")
    return limits
