"""The models of SCIM, by the library scim2-models, and how its errors are told.

The library is imported where a directory first calls: it takes half a second, and most workers never need it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict, NotFound

if TYPE_CHECKING:
    from scim2_models import ScimPolicy

ResourceJson = dict[str, Any]  # JSON has values of any type
MAX_RESULTS = 200
"""How many resources a page has at most."""
DOCUMENTATION = "https://datatracker.ietf.org/doc/html/rfc7644"


@cache
def model_of(kind: str) -> Any:  # a class of the library
    """The model of `Users` or of `Groups`."""
    from scim2_models import EnterpriseUser, Group, User

    return User[EnterpriseUser] if kind == "Users" else Group


@cache
def policy() -> "ScimPolicy":
    """What is tolerated: attributes that nobody declared are passed over, and Entra's ways of patching are
    understood (a `remove` with values, an `add` to a value that is not there)."""
    from scim2_models import ScimPolicy

    return ScimPolicy(
        unknown=ScimPolicy.Unknown.ignore,
        remove_value_as_filter=ScimPolicy.RemoveValue.apply,
        unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    )


@contextmanager
def understood(scim_type: str = "invalidValue") -> Iterator[None]:
    """Stands around what the library does with a directory's data. Its errors become ours, with SCIM's word
    as the code."""
    from pydantic import ValidationError
    from scim2_models import SCIMException

    try:
        with policy():
            yield
    except GatewayError:
        raise
    except SCIMException as exc:
        raise _of_scim(exc.status, exc.scim_type or scim_type, str(exc)) from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][:6])
        told = (first.get("ctx") or {}).get("scim_type") or scim_type
        raise _of_scim(400, told, f"{where}: {first['msg']}" if where else first["msg"]) from exc
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest("The request can't be understood.", code=scim_type) from exc


def _of_scim(status: int, scim_type: str, detail: str) -> GatewayError:
    if status == 404:
        return NotFound(detail[:500])
    if status == 409:
        return Conflict(detail[:500], code=scim_type)
    return InvalidRequest(detail[:500], code=scim_type)


def described(what: str, id: str, base: str) -> ResourceJson:
    """What describes the service. `base` is the address of `/scim/v2`. Raises NotFound."""
    from scim2_models import ListResponse, ResourceType, ServiceProviderConfig

    if what == "ServiceProviderConfig":
        config = ServiceProviderConfig.model_validate(_config(base))
        return _dumped(config)
    models = [model_of("Users"), model_of("Groups")]
    if what == "ResourceTypes":
        found = []
        for model in models:
            each = ResourceType.from_resource(model)
            each.meta = _meta("ResourceType", f"{base}/ResourceTypes/{each.id}")
            found.append(each)
    else:
        found = []
        extensions = [extension for model in models for extension in model.get_extension_models().values()]
        for model in (*models, *extensions):
            each = model.to_schema()
            each.meta = _meta("Schema", f"{base}/Schemas/{each.id}")
            found.append(each)
    if id:
        for each in found:
            if each.id == id:
                return _dumped(each)
        raise NotFound(f"There is no {what[:-1]} {id[:100]!r}.")
    kind: Any = type(found[0])
    listed = ListResponse[kind](
        total_results=len(found), start_index=1, items_per_page=len(found), resources=found
    )
    return _dumped(listed)


def _dumped(thing: Any) -> ResourceJson:  # a model of the library
    from scim2_models import Context

    found: ResourceJson = thing.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return found


def _meta(kind: str, location: str) -> Any:
    from scim2_models import Meta

    return Meta(resource_type=kind, location=location)


def _config(base: str) -> ResourceJson:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "documentationUri": DOCUMENTATION,
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MAX_RESULTS},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "SWITCHGEAR_SCIM_TOKEN, or a key of an admin with allowed_routes /scim/*",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }
