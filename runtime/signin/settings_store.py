"""What the API has set of signing in, in Postgres. Secrets are sealed under the salt key, and stand in a
table of their own, so that no audit row has them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from functions.contract.call import Call
from runtime.governance.row_store import actor
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.signin.providers import SECRETS
from runtime.state.sealing import CantOpen, Sealer
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest

ROW = "sso_config"
KIND = "sign_in_secret"
_READ = 'SELECT sso_settings::text FROM "LiteLLM_SSOConfig" WHERE id = $1'
_LOCK = f"{_READ} FOR UPDATE"
_WRITE = """
    INSERT INTO "LiteLLM_SSOConfig" (id, sso_settings, created_by, updated_by, created_at, updated_at)
    VALUES ($1, $2, $3, $3, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
    ON CONFLICT (id) DO UPDATE SET sso_settings = excluded.sso_settings, updated_by = excluded.updated_by,
        updated_at = excluded.updated_at
"""
_SECRETS = 'SELECT name, sealed FROM "Switchgear_SignInSecret"'
_SEAL = """
    INSERT INTO "Switchgear_SignInSecret" (name, salt_id, sealed, changed_at) VALUES ($1, $2, $3, now())
    ON CONFLICT (name) DO UPDATE SET salt_id = excluded.salt_id, sealed = excluded.sealed, changed_at = now()
"""
_FORGET = 'DELETE FROM "Switchgear_SignInSecret" WHERE name = $1'
_DECODER = msgspec.json.Decoder(dict[str, Any])


class SettingsStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, sealer: Sealer | None) -> None:
        self._database = database
        self._sealer = sealer

    async def read(self) -> dict[str, Any]:  # settings have values of several types
        """The settings by name, secrets opened. Raises GatewayError where one can't be opened."""
        with asking():
            async with self._database.connection() as connection:
                text = await connection.fetchval(_READ, ROW)
                rows = await connection.fetch(_SECRETS)
        found = _DECODER.decode(text) if text else {}
        for row in rows:
            found[row["name"]] = self._opened(row["name"], row["sealed"])
        return found

    async def change(self, changes: Mapping[str, Any], call: Call) -> None:
        """Set settings; None removes one. Raises InvalidRequest for a secret where there is no salt key."""
        sealed = {name: value for name, value in changes.items() if name in SECRETS}
        if self._sealer is None and any(value is not None for value in sealed.values()):
            raise InvalidRequest(
                "This gateway has no salt key, so it stores no secrets: set SWITCHGEAR_SALT_KEY, or keep the "
                "secret in the environment."
            )
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                await connection.execute("SELECT set_config('switchgear.actor', $1, true)", actor(call))
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtext('switchgear sign-in settings'))"
                )
                text = await connection.fetchval(_LOCK, ROW)
                stored = _DECODER.decode(text) if text else {}
                for name, value in changes.items():
                    stored.pop(name, None)
                    if name in SECRETS:
                        await self._keep(connection, name, value)
                        stored[f"{name}_changed_at"] = datetime.now(UTC).isoformat(timespec="seconds")
                    elif value is not None:
                        stored[name] = value
                said = msgspec.json.encode(stored).decode()
                await connection.execute(_WRITE, ROW, said, call.caller.user_id)

    async def _keep(self, connection: Any, name: str, value: str | None) -> None:  # asyncpg has no types
        if value is None or self._sealer is None:
            await connection.execute(_FORGET, name)
            return
        sealed = self._sealer.seal(value.encode(), kind=KIND, owner=ROW, id=name)
        await connection.execute(_SEAL, name, self._sealer.id, sealed)

    def _opened(self, name: str, sealed: bytes) -> str:
        if self._sealer is None:
            raise GatewayError(f"{name} is stored, and this gateway has no salt key to open it.")
        try:
            return self._sealer.open(sealed, kind=KIND, owner=ROW, id=name).decode()
        except CantOpen as exc:
            raise GatewayError(f"{name} can't be opened: it was stored under another salt key.") from exc
