"""How a call proves who sends it, where that is no key that stands in a header: what the runtime needs to
sign a request or to fetch a token (`runtime/credentials`)."""

import msgspec

from schema.secret import Secret

AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"
ENTRA_AUTHORITY = "https://login.microsoftonline.com"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class AwsSigning(msgspec.Struct, frozen=True, kw_only=True):
    """Amazon's Signature Version 4."""

    region: str
    service: str = "bedrock"
    access_key_id: Secret | None = None
    """None: the credentials of the container, the machine or the role that the environment names."""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    role_arn: str | None = None
    """A role that is assumed with these credentials."""
    role_session: str = "switchgear"
    external_id: str | None = None
    """What the role's account wants to hear of whoever assumes it."""
    profile: str | None = None
    """The profile of Amazon's credentials file that has the keys."""
    web_identity: Secret | None = None
    """The token for which the role is given, in place of keys; or where it stands: `/path/of/a/file`."""


class EntraSigning(msgspec.Struct, frozen=True, kw_only=True):
    """A token of Microsoft Entra."""

    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    """None: the managed identity of the machine, `client_id` if it has several."""
    scope: str = AZURE_SCOPE
    authority: str = ENTRA_AUTHORITY


class GoogleSigning(msgspec.Struct, frozen=True, kw_only=True):
    """A token of Google Cloud."""

    credentials: Secret | None = None
    """The JSON text of a service account, an authorized user or a federated identity. None: the application's
    default credentials."""
    scope: str = GOOGLE_SCOPE


Signing = AwsSigning | EntraSigning | GoogleSigning
