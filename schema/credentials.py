"""LiteLLM's `/credentials`: values that several deployments share."""

import msgspec

from schema.fields import UNSET, MaybeText
from schema.stored_models import JsonValues, MaybeValues
from schema.wire import Wire


class CredentialRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /credentials. `model_id`: take the values of this stored model."""

    credential_name: str
    credential_values: JsonValues | None = None
    credential_info: JsonValues | None = None
    model_id: str | None = None


class CredentialPatchRequest(Wire, frozen=True, kw_only=True, dict=True):
    """PATCH /credentials/{credential_name}. A value that is absent stays as it is, and null takes it away."""

    credential_name: MaybeText = UNSET
    credential_values: MaybeValues = UNSET
    credential_info: MaybeValues = UNSET


class CredentialDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /credentials/{credential_name}."""

    credential_name: str = ""


class CredentialListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /credentials takes nothing."""


class CredentialQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /credentials/by_name/{credential_name}."""

    credential_name: str


class CredentialOfModelQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /credentials/by_model/{model_id}."""

    model_id: str


class CredentialShown(msgspec.Struct, frozen=True, kw_only=True):
    """A credential. Each value that may be a secret is masked: `****wxyz`."""

    credential_name: str
    credential_values: JsonValues
    credential_info: JsonValues
    flaw: str | None = None
    """Why some of its values can't be read, such as another salt key. Those values are not shown."""


class CredentialList(msgspec.Struct, frozen=True, kw_only=True):
    success: bool = True
    credentials: list[CredentialShown]


class CredentialDone(msgspec.Struct, frozen=True, kw_only=True):
    success: bool = True
    message: str
    cleared_values: list[str] = []
    """The secrets that were taken away, since the credential's address changed and they were not sent
    again."""
    cleared_models: list[str] = []
    """The ids of the models whose own keys were taken away, since the credential's address changed."""
