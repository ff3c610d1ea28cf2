"""Models, credentials and settings that were entered through the API (LiteLLM's tables)."""

from piccolo.columns import JSONB, BigInt, Boolean, Text, Timestamptz
from piccolo.table import Table

from schema.tables.columns import StampColumns


class StoredModelRow(StampColumns, Table, tablename="LiteLLM_ProxyModelTable"):
    """A deployment. In `litellm_params` each value that may hold a secret or an address is a sealed text.
    `team_id` is ours: the team that owns the deployment, as `model_info` says it too; the row goes with its
    team."""

    model_id = Text(primary_key=True, default=None)
    model_name = Text(default=None)
    litellm_params = JSONB(default="{}")
    model_info = JSONB(default="{}")
    team_id = Text(null=True, default=None)
    blocked = Boolean(default=False)


class StoredCredentialRow(StampColumns, Table, tablename="LiteLLM_CredentialsTable"):
    """Values that several deployments share. Each value of `credential_values` is a sealed text."""

    credential_id = Text(primary_key=True, default=None)
    credential_name = Text(default=None, unique=True)
    credential_values = JSONB(default="{}")
    credential_info = JSONB(default="{}")


class StoredSetting(StampColumns, Table, tablename="LiteLLM_Config"):
    """A section of the config, such as `router_settings`, with the keys that count before the file's."""

    param_name = Text(primary_key=True, default=None)
    param_value = JSONB(default="{}")


class HostConfig(Table, tablename="Switchgear_HostConfig"):
    """What one worker serves with: the content of its host's config file, as a hash. `flaw` says why a newer
    content of the file is refused; null where it is in force. `settings_refused` says why stored settings are
    not in force there. Ours alone."""

    worker = Text(primary_key=True, default=None)
    host = Text(default=None)
    file_hash = Text(default=None)
    flaw = Text(null=True, default=None)
    models = BigInt(default=0)
    loaded_at = Timestamptz(default=None)
    seen_at = Timestamptz(default=None)
    settings_refused = JSONB(default="[]")
