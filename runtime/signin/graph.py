"""The groups of a person, from Microsoft Graph. Id tokens have ids alone, and none where they are many."""

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from runtime.outbound import Unreachable, answer_of
from schema.identity import MAX_GROUPS, DirectoryGroup

PATH = "/v1.0/me/transitiveMemberOf/microsoft.graph.group?$select=id,displayName&$top=999"
TIMEOUT_S = 10.0
MAX_PAGES = 20
SCOPE = "User.Read GroupMember.Read.All"
"""What the application asks for where groups count. Names of groups need the second one, which an admin of
Entra consents to once."""

log = logging.getLogger(__name__)


class _GraphGroup(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    display_name: str | None = msgspec.field(name="displayName", default=None)


class _GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    value: list[_GraphGroup]
    next: str | None = msgspec.field(name="@odata.nextLink", default=None)


async def groups_of(access_token: str, graph: str) -> Sequence[DirectoryGroup] | None:
    """All groups of the bearer of an access token, nested ones too. None where Graph does not tell them: the
    log says why."""
    address, found = f"{graph}{PATH}", list[DirectoryGroup]()
    headers = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
    for _ in range(MAX_PAGES):
        try:
            body = await answer_of("GET", address, headers=headers, timeout_s=TIMEOUT_S)
            page = msgspec.json.decode(body, type=_GroupPage)
        except (Unreachable, msgspec.DecodeError) as exc:
            log.warning("sign-in: Microsoft Graph does not tell groups: %s", exc)
            return None
        found += [DirectoryGroup(id=group.id, name=group.display_name or group.id) for group in page.value]
        if page.next is None:
            return found
        if len(found) > MAX_GROUPS or not _is_there(page.next, graph):
            break
        address = page.next
    log.warning("sign-in: Microsoft Graph tells more groups than are read, or another host's")
    return None


def _is_there(address: str, graph: str) -> bool:
    """Whether the next page is at Graph itself: the token goes to nobody else."""
    there, here = urlsplit(address), urlsplit(graph)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc)
