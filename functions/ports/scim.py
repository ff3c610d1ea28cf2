"""The port of users and teams as a directory keeps them. Its implementation is in `runtime/scim`."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from functions.contract.call import Call
from functions.contract.visit import Visit
from schema.scim import ScimQuery

ResourceKind = Literal["Users", "Groups"]
ScimJson = Mapping[str, Any]


class ScimResource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource as the directory is told it."""

    body: ScimJson
    version: str
    """Its ETag."""
    location: str


class Directory(Protocol):
    """Users and groups. Methods raise InvalidRequest with SCIM's word as its code, NotFound, Conflict, or
    PreconditionFailed where the caller has another version."""

    async def create(
        self, kind: ResourceKind, body: ScimJson, visit: Visit, *, call: Call
    ) -> ScimResource: ...

    async def show(
        self, kind: ResourceKind, query: ScimQuery, visit: Visit, *, call: Call
    ) -> ScimResource: ...

    async def search(self, kind: ResourceKind, query: ScimQuery, visit: Visit, *, call: Call) -> ScimJson:
        """A ListResponse."""
        ...

    async def search_all(self, query: ScimQuery, visit: Visit, *, call: Call) -> ScimJson:
        """A ListResponse of users and groups together, users first."""
        ...

    async def replace(
        self, kind: ResourceKind, id: str, body: ScimJson, visit: Visit, *, call: Call
    ) -> ScimResource: ...

    async def patch(
        self, kind: ResourceKind, id: str, body: ScimJson, visit: Visit, *, call: Call
    ) -> ScimResource: ...

    async def delete(self, kind: ResourceKind, id: str, visit: Visit, *, call: Call) -> None: ...

    async def described(self, what: str, id: str, visit: Visit) -> ScimJson:
        """What describes the service: `ServiceProviderConfig`, `Schemas` or `ResourceTypes`; with an id, one
        of them."""
        ...
