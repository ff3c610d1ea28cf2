"""SCIM 2.0 (RFC 7643, RFC 7644): queries, bodies and errors. Resources are JSON as directories write it."""

from typing import ClassVar

import msgspec

from schema.errors.base import GatewayError
from schema.errors.forms import WireError
from schema.wire import Wire

SCIM_JSON = "application/scim+json"
ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
SCIM_TYPES = frozenset(
    [
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
    ]
)
"""The words for what is wrong with a request (RFC 7644, table 9)."""


class ScimQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """GET of several resources, or of one with its `id`."""

    id: str = ""
    filter: str | None = None
    start_index: int = 1
    count: int | None = None
    sort_by: str | None = None
    sort_order: str | None = None
    attributes: str | None = None
    excluded_attributes: str | None = None


class ScimNamedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET of what describes the service, such as one schema by its `id`."""

    id: str = ""


class ScimRestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET of a path at which nothing is."""

    rest: str = ""


class ScimBody(Wire, frozen=True, kw_only=True, dict=True):
    """A resource, or a PatchOp. `id` is the path's."""

    id: str = ""


class ScimSearchRequest(Wire, frozen=True, kw_only=True, dict=True, rename="camel"):
    """POST of a query (RFC 7644, section 3.4.3)."""

    filter: str | None = None
    start_index: int = 1
    count: int | None = None
    attributes: list[str] | None = None
    excluded_attributes: list[str] | None = None

    @property
    def query(self) -> ScimQuery:
        return ScimQuery(
            filter=self.filter,
            start_index=self.start_index,
            count=self.count,
            attributes=",".join(self.attributes) if self.attributes else None,
            excluded_attributes=",".join(self.excluded_attributes) if self.excluded_attributes else None,
        )


class ScimErrorBody(WireError, frozen=True, kw_only=True):
    """An error (RFC 7644, section 3.12)."""

    media_type: ClassVar[str] = SCIM_JSON

    schemas: list[str]
    status: str
    detail: str
    scimType: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815  (the field's name in SCIM)


def scim_form(error: GatewayError, call_id: str | None) -> ScimErrorBody:
    """How an error is written for a directory."""
    kind = error.code if error.code in SCIM_TYPES else msgspec.UNSET
    return ScimErrorBody(
        schemas=[ERROR_URN], status=str(error.http_status), detail=error.message, scimType=kind
    )
