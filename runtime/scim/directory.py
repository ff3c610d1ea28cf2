"""Answers a directory. Implements `functions.ports.scim.Directory`."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from functions.contract.call import Call
from functions.contract.policy import Policy
from functions.contract.visit import Visit
from functions.ports.scim import ResourceKind, ScimResource
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.scim.filters import equality_of
from runtime.scim.groups import DirectoryGroups
from runtime.scim.models import MAX_RESULTS, ResourceJson, described, model_of, understood
from runtime.scim.users import DirectoryUsers
from runtime.stores import Stores
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound, PreconditionFailed
from schema.scim import ScimQuery

V2 = "/scim/v2"
KINDS: tuple[ResourceKind, ...] = ("Users", "Groups")
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
MAX_SCANNED = 20_000
"""How many resources a filter is compared with that no index helps."""
BATCH = 500
Change = Callable[[ResourceJson], ResourceJson | None]
"""What becomes of a resource. None: it stays as it is."""


class ScimDirectory:
    """Each worker has one. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, stores: Stores, policy: Policy) -> None:
        self._database = database
        self._kinds: Mapping[str, DirectoryUsers | DirectoryGroups] = {
            "Users": DirectoryUsers(stores.users, policy),
            "Groups": DirectoryGroups(stores.teams, policy),
        }

    async def create(
        self, kind: ResourceKind, body: Mapping[str, Any], visit: Visit, *, call: Call
    ) -> ScimResource:
        """See Directory."""
        from scim2_models import Context

        with understood():
            resource = model_of(kind).model_validate(dict(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
            told = _plain(resource)
        told.setdefault("active", True)
        async with self._changing(kind, call) as connection:
            id = await self._kinds[kind].add(connection, told, call)
            made = await self._kinds[kind].locked(connection, id)
        return _shown(kind, made, visit)

    async def show(self, kind: ResourceKind, query: ScimQuery, visit: Visit, *, call: Call) -> ScimResource:
        """See Directory."""
        equality = equality_of(f"id eq {msgspec.json.encode(query.id).decode()}")
        async with self._reading() as connection:
            found = await self._kinds[kind].rows(connection, equality, limit=1)
        if not query.id or not found:
            raise NotFound(f"There is no {self._kinds[kind].noun} {query.id[:100]!r}.")
        return _shown(kind, found[0], visit, query)

    async def search(
        self, kind: ResourceKind, query: ScimQuery, visit: Visit, *, call: Call
    ) -> Mapping[str, Any]:
        """See Directory. A count below zero is zero, and a start before the first is the first (RFC 7644,
        section 3.4.2.4)."""
        start = max(1, query.start_index)
        size = MAX_RESULTS if query.count is None else min(max(0, query.count), MAX_RESULTS)
        if start > MAX_SCANNED * 1000:
            raise InvalidRequest("startIndex: too large.", code="invalidValue")
        async with self._reading() as connection:
            if query.filter:
                fitting = await self._fitting(connection, kind, query.filter)
                total, page = len(fitting), fitting[start - 1 : start - 1 + size]
            else:
                total = await self._kinds[kind].count(connection)
                page = list(await self._kinds[kind].rows(connection, None, limit=size, offset=start - 1))
        resources = [_shown(kind, each, visit, query).body for each in page]
        return _listed(total, start, resources)

    async def search_all(self, query: ScimQuery, visit: Visit, *, call: Call) -> Mapping[str, Any]:
        """See Directory. A filter about an attribute that one kind lacks fits none of that kind (RFC 7644,
        section 3.4.2.1)."""
        found: list[tuple[ResourceKind, ResourceJson]] = []
        refusals: list[str] = []
        async with self._reading() as connection:
            for kind in KINDS:
                try:
                    if query.filter:
                        fitting = await self._fitting(connection, kind, query.filter)
                    else:
                        fitting = list(await self._kinds[kind].rows(connection, None, limit=MAX_SCANNED))
                except InvalidRequest as exc:
                    refusals.append(exc.message)
                    continue
                found += [(kind, each) for each in fitting]
        if len(refusals) == len(KINDS):
            raise InvalidRequest(refusals[0], code="invalidFilter")
        start = max(1, query.start_index)
        size = MAX_RESULTS if query.count is None else min(max(0, query.count), MAX_RESULTS)
        page = found[start - 1 : start - 1 + size]
        return _listed(len(found), start, [_shown(kind, each, visit, query).body for kind, each in page])

    async def replace(
        self, kind: ResourceKind, id: str, body: Mapping[str, Any], visit: Visit, *, call: Call
    ) -> ScimResource:
        """See Directory."""
        from scim2_models import Context

        def replaced(before: ResourceJson) -> ResourceJson:
            resource = model_of(kind).model_validate(
                dict(body), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST
            )
            resource.replace(_model(kind, before))
            told = _plain(resource)
            told.setdefault("active", before.get("active", True))
            return told

        return await self._written(kind, id, visit, change=replaced, call=call)

    async def patch(
        self, kind: ResourceKind, id: str, body: Mapping[str, Any], visit: Visit, *, call: Call
    ) -> ScimResource:
        """See Directory."""
        from scim2_models import Context, PatchOp

        def patched(before: ResourceJson) -> ResourceJson | None:
            changes = _of(PatchOp, kind).model_validate(
                {name: value for name, value in body.items() if name != "id"},
                scim_ctx=Context.RESOURCE_PATCH_REQUEST,
            )
            resource = _model(kind, before)
            changed = changes.patch(resource)
            told = _plain(resource)
            return told if changed else None

        return await self._written(kind, id, visit, change=patched, call=call)

    async def _written(
        self, kind: ResourceKind, id: str, visit: Visit, *, change: Change, call: Call
    ) -> ScimResource:
        """Write what `change` makes of a resource, and show the resource as it is then."""
        async with self._changing(kind, call) as connection:
            before = await self._kinds[kind].locked(connection, id)
            _check_version(kind, before, visit)
            with understood():
                told = change(before)
            if told is not None:
                await self._kinds[kind].write(connection, id, told, call)
            after = await self._kinds[kind].locked(connection, id)
        return _shown(kind, after, visit)

    async def delete(self, kind: ResourceKind, id: str, visit: Visit, *, call: Call) -> None:
        """See Directory."""
        async with self._changing(kind, call) as connection:
            if visit.if_match:
                _check_version(kind, await self._kinds[kind].locked(connection, id), visit)
            await self._kinds[kind].remove(connection, id, call)

    async def described(self, what: str, id: str, visit: Visit) -> Mapping[str, Any]:
        """See Directory."""
        return described(what, id, f"{visit.base_url}{V2}")

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for what the directory asks. Raises InvalidRequest for a text that no column can
        hold."""
        with asking():
            async with self._database.connection() as connection:
                yield connection

    @asynccontextmanager
    async def _changing(self, kind: ResourceKind, call: Call) -> AsyncIterator[asyncpg.Connection]:
        """A transaction in the directory's name, and its connection."""
        async with self._kinds[kind].store.changing(call):
            transaction = self._database.engine.current_transaction.get()
            assert transaction is not None, "the transaction was just begun"
            yield transaction.connection

    async def _fitting(
        self, connection: asyncpg.Connection, kind: ResourceKind, text: str
    ) -> list[ResourceJson]:
        """The resources that a filter fits. Raises InvalidRequest."""
        from scim2_models import SearchRequest

        equality = equality_of(text)
        with understood("invalidFilter"):
            wanted = _of(SearchRequest, kind).model_validate({"filter": text}).filter
        fitting: list[ResourceJson] = []
        offset = 0
        while True:
            batch = await self._kinds[kind].rows(connection, equality, limit=BATCH, offset=offset)
            with understood("invalidFilter"):
                fitting += [each for each in batch if wanted.match(_model(kind, each))]
            offset += len(batch)
            if len(batch) < BATCH:
                return fitting
            if offset >= MAX_SCANNED:
                raise InvalidRequest("filter: it would have to be compared with too many.", code="tooMany")


def _listed(total: int, start: int, resources: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def _of(message: Any, kind: ResourceKind) -> Any:
    """A message of the library, about one kind of resources."""
    return message[model_of(kind)]


def _model(kind: ResourceKind, resource: ResourceJson) -> Any:  # a model of the library
    return model_of(kind).model_validate(_with_times(resource))


def _with_times(resource: ResourceJson) -> ResourceJson:
    meta = resource["meta"]
    times = {name: _utc(meta[name]) for name in ("created", "lastModified") if meta.get(name)}
    return {**resource, "meta": {**meta, **times}}


def _plain(resource: Any) -> ResourceJson:
    """A model as JSON, all of it."""
    found: ResourceJson = resource.model_dump(mode="json")
    return found


def _shown(
    kind: ResourceKind, resource: ResourceJson, visit: Visit, query: ScimQuery | None = None
) -> ScimResource:
    """A resource with its version and its address, and the attributes that were asked for."""
    from scim2_models import Context, ResponseParameters

    version, location = _version(resource), f"{visit.base_url}{V2}/{kind}/{resource['id']}"
    whole = _with_times(resource)
    whole["meta"] |= {"version": version, "location": location}
    for name, where in (("members", "Users"), ("groups", "Groups")):
        if name in whole:
            whole[name] = [
                {**each, "$ref": f"{visit.base_url}{V2}/{where}/{each['value']}"} for each in whole[name]
            ]
    with understood():
        model = model_of(kind).model_validate(whole)
        asked = {
            name: value
            for name, value in (
                ("attributes", query.attributes if query else None),
                ("excludedAttributes", query.excluded_attributes if query else None),
            )
            if value
        }
        wanted = _of(ResponseParameters, kind).model_validate(asked)
        body: ResourceJson = model.model_dump(
            mode="json",
            scim_ctx=Context.RESOURCE_QUERY_RESPONSE,
            response_parameters=wanted,
        )
    return ScimResource(body=body, version=version, location=location)


def _version(resource: ResourceJson) -> str:
    """A weak ETag of everything but the times."""
    without_times = dict(resource)
    del without_times["meta"]
    return f'W/"{hashlib.sha256(msgspec.json.encode(without_times)).hexdigest()[:32]}"'


def _check_version(kind: ResourceKind, resource: ResourceJson, visit: Visit) -> None:
    """Raise PreconditionFailed where the directory has another version than this one."""
    wanted: Sequence[str] = [each.strip() for each in visit.if_match.split(",") if each.strip()]
    if wanted and "*" not in wanted and _version(resource) not in wanted:
        raise PreconditionFailed("The resource was changed in the meantime; read it again.")


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
