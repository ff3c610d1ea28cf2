"""Signing in: sessions of people, sign-ins under way, passwords, invitations, settings of providers."""

from piccolo.columns import JSONB, Boolean, Bytea, Integer, Text, Timestamp, Timestamptz
from piccolo.table import Table

from schema.tables.columns import StampColumns


class Session(Table, tablename="Switchgear_Session"):
    """The session of a person. `session_hash` is the SHA-256 of what the cookie holds, and `session_id` the
    name of the session that lists show. A deleted row ends its session on all workers."""

    session_hash = Text(primary_key=True, default=None)
    session_id = Text(default=None, unique=True)
    user_id = Text(default=None)
    method = Text(default=None)
    """How the person signed in: `sso`, `password` or `master_key`."""
    provider = Text(default="")
    """`microsoft`, `google` or `generic`; empty for the other methods."""
    address = Text(null=True, default=None)
    user_agent = Text(null=True, default=None)
    idle_s = Integer(default=0)
    """How long the session lasts that nobody uses, in seconds."""
    created_at = Timestamptz(default=None)
    seen_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)


class SignInUnderWay(Table, tablename="Switchgear_SignIn"):
    """A sign-in at a provider that is under way. It counts once, and only in the browser that began it."""

    state_hash = Text(primary_key=True, default=None)
    browser_hash = Text(default=None)
    provider = Text(default=None)
    nonce = Text(default=None)
    verifier = Text(default=None)
    """The secret of PKCE (RFC 7636)."""
    return_to = Text(default="")
    purpose = Text(default="sign_in")
    """`sign_in`, or `debug`, which shows claims and opens no session."""
    address = Text(null=True, default=None)
    created_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)


class ThrottleCount(Table, tablename="Switchgear_Throttle"):
    """How often signing in has failed from one address, of one account, or in all."""

    bucket = Text(primary_key=True, default=None)
    failures = Integer(default=0)
    since = Timestamptz(default=None)
    until = Timestamptz(null=True, default=None)
    """Until then nobody of the bucket may try."""


class Password(Table, tablename="Switchgear_Password"):
    """The password of a user, as argon2id writes its hash. It has a table of its own, so that no answer and
    no audit row ever holds it."""

    user_id = Text(primary_key=True, default=None)
    hash = Text(default=None)
    changed_at = Timestamptz(default=None)


class InvitationLink(StampColumns, Table, tablename="LiteLLM_InvitationLink"):
    """An invitation to set a password. `secret_hash` is the SHA-256 of what the link holds."""

    id = Text(primary_key=True, default=None)
    user_id = Text(default=None)
    is_accepted = Boolean(default=False)
    accepted_at = Timestamp(null=True, default=None)
    expires_at = Timestamp(default=None)
    secret_hash = Text(default="")


class SsoConfig(StampColumns, Table, tablename="LiteLLM_SSOConfig"):
    """The settings that were made by API: one row, with the id `sso_config`. The secrets among them are in
    `Switchgear_SignInSecret`."""

    id = Text(primary_key=True, default=None)
    sso_settings = JSONB(default="{}")


class SignInSecret(Table, tablename="Switchgear_SignInSecret"):
    """A secret of a provider, sealed under the salt key. `name` is its setting: `microsoft_client_secret`."""

    name = Text(primary_key=True, default=None)
    salt_id = Text(default=None)
    sealed = Bytea(default=None)
    changed_at = Timestamptz(default=None)
