"""The settings of signing in that are in force: what the API has set, over the environment and the config.
Implements `functions.ports.signin.SsoStore`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from functions.contract.call import Call
from runtime.signin.providers import SECRETS, TENANT_ID, Found, providers_of
from runtime.signin.rules import SignInConfig, rules_of, with_stored
from runtime.signin.settings_store import SettingsStore
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest
from schema.identity import SignInRules

PREFIXES = ("MICROSOFT_", "GOOGLE_CLIENT_", "GENERIC_")
STARS = "***"
MAX_SETTING_BYTES = 64 * 1024
SWITCHES = (
    *("allowed_email_domains", "role_claim", "role_mappings", "team_mappings", "new_users", "auto_redirect"),
    *("password_login", "session_idle", "session_max", "trust_emails", "scim_provider"),
)
"""The settings that are no provider's."""
ADDRESSES = (
    *("issuer", "tenant", "authority", "graph"),
    *("authorization_endpoint", "token_endpoint", "userinfo_endpoint"),
)
"""The settings that say where a provider is, behind its name and `_`."""


NAMED = (
    "role_mappings: a group of Entra gives a role by its id (Object ID) alone, since members of a tenant "
    "make groups of any name."
)


class InForce:
    """Signing in is rare, so that settings are read each time, and a change is in force at once."""

    def __init__(self, store: SettingsStore, config: SignInConfig, env: Mapping[str, str]) -> None:
        self._store = store
        self._config = config
        self._env = {name: value for name, value in env.items() if name.startswith(PREFIXES) and value}

    async def read(self) -> tuple[Found, SignInRules]:
        """The providers and the rules. Stored settings that can't be used are a flaw, and those of the
        environment count. Raises DatabaseUnavailable."""
        flaws: tuple[str, ...] = ()
        stored: Mapping[str, Any] = {}
        try:
            stored = await self._store.read()
        except DatabaseUnavailable:
            raise
        except GatewayError as exc:
            flaws = (exc.message,)
        found = self._found(stored)
        try:
            rules = self._rules(stored, found)
        except InvalidRequest as exc:
            flaws = (*flaws, exc.message)
            rules = self._rules({}, found)
        if [each.kind for each in found.providers] == ["microsoft"] and _names_groups(rules):
            flaws = (*flaws, NAMED)
        return Found(providers=found.providers, flaws=(*flaws, *found.flaws)), rules

    async def shown(self) -> Mapping[str, Any]:
        """See SsoStore."""
        stored = await self._store.read()
        shown = {name.lower(): (value, "environment") for name, value in self._env.items()}
        section = self._config.section
        for name in SWITCHES:
            value = msgspec.to_builtins(getattr(section, name))
            if value is not None:
                shown[name] = (value, "environment")
        shown |= {name: (value, "api") for name, value in stored.items()}
        for name in SECRETS:
            if name in shown:
                shown[name] = (STARS, shown[name][1])
        return shown

    async def change(self, changes: Mapping[str, Any], *, call: Call) -> None:
        """See SsoStore."""
        if len(msgspec.json.encode(changes)) > MAX_SETTING_BYTES:
            raise InvalidRequest(f"The settings have more than {MAX_SETTING_BYTES} bytes.")
        before = await self._store.read()
        after = {name: value for name, value in {**before, **changes}.items() if value is not None}
        self._refuse_moves(before, changes, after)
        found = self._found(after)
        if found.flaws:
            raise InvalidRequest(found.flaws[0])
        self._rules(after, found)
        await self._store.change(changes, call)

    def _refuse_moves(
        self, before: Mapping[str, Any], changes: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        """A client secret is for the addresses that it was set with: who changes one of them sends the secret
        too. Back to the environment go the addresses and the secret together. Raises InvalidRequest."""
        for secret in SECRETS:
            kind = secret.removesuffix("client_secret")
            addresses = [f"{kind}{name}" for name in ADDRESSES]
            touched = any(name in changes for name in (secret, *addresses))
            if not touched or changes.get(secret) or not self._value(secret, after):
                continue
            of_environment = not any(after.get(name) for name in (secret, *addresses))
            moved = [name for name in addresses if self._value(name, before) != self._value(name, after)]
            if not after.get(secret):  # that of the environment
                moved += [name for name in addresses if after.get(name)]
            if moved and not of_environment:
                raise InvalidRequest(
                    f"{moved[0]} says where the client secret goes: send {secret} with it.", param=moved[0]
                )

    def _value(self, name: str, stored: Mapping[str, Any]) -> object:
        """What is in force of a provider's setting, where these are stored."""
        return stored.get(name) or self._env.get(name.upper())

    def _found(self, stored: Mapping[str, Any]) -> Found:
        named = {
            name.upper(): value
            for name, value in stored.items()
            if name.upper().startswith(PREFIXES) and isinstance(value, str)
        }
        return providers_of({**self._env, **named})

    def _rules(self, stored: Mapping[str, Any], found: Found) -> SignInRules:
        config = self._config
        has_provider = bool(found.providers or found.flaws)  # one that is set up wrongly lets no password in
        rules = rules_of(with_stored(config.section, stored), has_provider=has_provider)
        if has_provider and not config.keeps_passwords:
            rules = msgspec.structs.replace(rules, passwords=False)
        if rules.directory is None and len(found.providers) == 1:
            rules = msgspec.structs.replace(rules, directory=found.providers[0].kind)
        return msgspec.structs.replace(rules, master_key=config.master_key)


def _names_groups(rules: SignInRules) -> bool:
    """Whether a role is given to a group that no id names."""
    return not all(
        TENANT_ID.fullmatch(group) for groups in rules.roles.group_roles.values() for group in groups
    )
