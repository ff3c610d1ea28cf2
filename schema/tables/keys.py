"""Virtual keys: live, deleted, and replaced ones in their grace. Only SHA-256 hashes are here."""

from piccolo.columns import Text, Timestamp
from piccolo.table import Table

from schema.tables.columns import KeyColumns


class VerificationToken(KeyColumns, Table, tablename="LiteLLM_VerificationToken"):
    token = Text(primary_key=True, default=None)


class DeletedVerificationToken(KeyColumns, Table, tablename="LiteLLM_DeletedVerificationToken"):
    """What a key was when it was deleted, and by whom."""

    id = Text(primary_key=True, default=None)
    token = Text(default=None)
    deleted_at = Timestamp(default=None)
    deleted_by = Text(null=True, default=None)
    deleted_by_api_key = Text(null=True, default=None)


class DeprecatedVerificationToken(Table, tablename="LiteLLM_DeprecatedVerificationToken"):
    """A key that was replaced and is good until `revoke_at`."""

    token = Text(primary_key=True, default=None)
    active_token_id = Text(default=None)
    revoke_at = Timestamp(default=None)
    created_at = Timestamp(default=None)
