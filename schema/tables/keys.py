"""Virtual keys, live and deleted. Only SHA-256 hashes of keys are here."""

from decimal import Decimal

from piccolo.columns import JSONB, Array, Boolean, Numeric, Text, Timestamp
from piccolo.table import Table


class VerificationToken(Table, tablename="LiteLLM_VerificationToken"):
    """A key. `models` empty means all; `expires` null means never."""

    token = Text(primary_key=True, default=None)
    key_name = Text(null=True, default=None)
    key_alias = Text(null=True, default=None)
    spend = Numeric(default=Decimal(0))
    expires = Timestamp(null=True, default=None)
    models = Array(base_column=Text(), default=list)
    user_id = Text(null=True, default=None)
    team_id = Text(null=True, default=None)
    metadata = JSONB(default="{}")
    blocked = Boolean(null=True, default=None)
    created_at = Timestamp(default=None)
    created_by = Text(null=True, default=None)
    updated_at = Timestamp(default=None)
    updated_by = Text(null=True, default=None)


class DeletedVerificationToken(Table, tablename="LiteLLM_DeletedVerificationToken"):
    """What a key was when it was deleted, and by whom."""

    id = Text(primary_key=True, default=None)
    token = Text(default=None)
    key_name = Text(null=True, default=None)
    key_alias = Text(null=True, default=None)
    spend = Numeric(default=Decimal(0))
    expires = Timestamp(null=True, default=None)
    models = Array(base_column=Text(), default=list)
    user_id = Text(null=True, default=None)
    team_id = Text(null=True, default=None)
    metadata = JSONB(default="{}")
    blocked = Boolean(null=True, default=None)
    created_at = Timestamp(default=None)
    created_by = Text(null=True, default=None)
    updated_at = Timestamp(default=None)
    updated_by = Text(null=True, default=None)
    deleted_at = Timestamp(default=None)
    deleted_by = Text(null=True, default=None)
    deleted_by_api_key = Text(null=True, default=None)
