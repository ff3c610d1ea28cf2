"""The parts of a worker by which people sign in and call without a key. `runtime/services.py` opens them."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from functions.rules.user_policy import newcomer, usual_role
from runtime.blueprint import Blueprint, Checked
from runtime.identity.people_sessions import PeopleSessions
from runtime.identity.person_reader import PersonReader
from runtime.identity.session_authenticator import SessionAuthenticator
from runtime.identity.session_reader import SessionReader
from runtime.identity.token_authenticator import TokenAuthenticator
from runtime.identity.token_people import TokenPeople
from runtime.postgres.databases import Databases
from runtime.postgres.freshness import Announcements
from runtime.postgres.look_ups import LookUps
from runtime.scim.directory import ScimDirectory
from runtime.signin.desk import SignInDesk
from runtime.signin.discovery import IssuerDirectory
from runtime.signin.in_force import InForce
from runtime.signin.invitations import Invitations
from runtime.signin.oidc import OpenIdConnect
from runtime.signin.passwords import PasswordStore
from runtime.signin.people import People
from runtime.signin.sessions import SessionStore
from runtime.signin.settings_store import SettingsStore
from runtime.signin.throttle import Throttle
from runtime.signin.tokens import TokenVerifier
from runtime.signin.trail import Trail
from runtime.state.sealing import Sealer
from runtime.stores import Stores
from schema.secret import key_hash_of

MARK_CHARS = 16


class PeopleParts:
    """Made without IO. `announce` is called with the topic of every change."""

    def __init__(
        self,
        checked: Checked,
        blueprint: Blueprint,
        databases: Databases,
        *,
        announcements: Announcements,
        look_ups: LookUps,
        announce: Callable[[str], None],
    ) -> None:
        policy, settings = checked.policy, blueprint.settings
        database, trail, directory = databases.management, Trail(), IssuerDirectory()
        self.site = msgspec.structs.replace(checked.site, root_path=settings.root_path)
        self.stores = Stores(
            database,
            announce,
            reports=databases.reports,
            fresh=lambda user_id: newcomer(user_id, policy, datetime.now(UTC)),
        )
        verifier = TokenVerifier(directory)
        people = People(self.stores.users, self.stores.teams, policy)
        passwords = PasswordStore(database)
        throttle = Throttle(database, checked.sign_in.throttle, trail)
        sealer = None if settings.salt_key is None else Sealer(settings.salt_key)
        self.settings = InForce(SettingsStore(database, sealer), checked.sign_in, checked.config.environment)
        self.desk = SignInDesk(
            database,
            self.settings,
            connect=OpenIdConnect(directory, verifier),
            people=people,
            passwords=passwords,
            throttle=throttle,
            trail=trail,
            master_key=blueprint.master_key,
        )
        self.passwords = Invitations(self.stores.users, passwords, throttle)
        mark = key_hash_of(blueprint.master_key.reveal())[:MARK_CHARS]
        self.session_authenticator = SessionAuthenticator(
            self.site, SessionReader(policy, databases.auth, master_mark=mark), announcements, look_ups
        )
        self._session_rows = SessionStore(database, trail)
        self.sessions = PeopleSessions(self._session_rows, self.session_authenticator, master_mark=mark)
        self.directory = ScimDirectory(database, self.stores, policy)
        self.token_authenticator = None
        if checked.tokens is not None:
            self.token_authenticator = TokenAuthenticator(
                msgspec.structs.replace(checked.tokens, usual_role=usual_role(policy)),
                verifier,
                PersonReader(policy, databases.auth),
                TokenPeople(self.stores.users, self.stores.keys.newcomers).make,
                announcements=announcements,
                look_ups=look_ups,
            )

    def start(self) -> None:
        self._session_rows.start()

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed."""
        self.session_authenticator.forget(topic)
        if self.token_authenticator is not None:
            self.token_authenticator.forget(topic)

    def doubt(self) -> None:
        """Announcements may have been missed: read each value again, where Postgres can be asked."""
        self.session_authenticator.doubt()
        if self.token_authenticator is not None:
            self.token_authenticator.doubt()

    async def close(self) -> None:
        await self._session_rows.close()
