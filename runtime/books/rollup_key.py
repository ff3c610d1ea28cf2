"""What the daily sums are summed by: the key of a row of the ledger, and the id of a key."""

import hashlib
from collections.abc import Sequence

from schema.ledger.rows import SpendRow

SUBJECT = (
    "api_key",
    "user_id",
    "team_id",
    "organization_id",
    "model_group",
    "model",
    "custom_llm_provider",
)
"""Who calls which model: the columns that the keys of the daily sums and of the histograms share."""
KEY = ("date", *SUBJECT, "endpoint")


def key_of(row: SpendRow) -> tuple[str, ...]:
    """The values of KEY for a row. A public name that no deployment has is left out: anybody with a key could
    make one row of the rollup for each invented name."""
    known = row.error_class != "ModelNotFound"
    return (
        row.started_at.date().isoformat(),
        row.key_hash,
        row.user_id,
        row.team_id or "",
        row.organization_id or "",
        row.model_group if known else "",
        row.model,
        row.provider,
        row.call_type,
    )


def digest(key: Sequence[str]) -> str:
    """The id of the row with this key: 32 hex digits. The SQL function `switchgear_daily_id` makes the
    same."""
    return hashlib.sha256(b"\0".join(part.encode() for part in key)).hexdigest()[:32]
