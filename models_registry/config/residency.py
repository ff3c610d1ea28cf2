"""Where the calls of a deployment stay (`residency: local`), and what of it can be told from the config."""

import ipaddress

from models_registry.config.hosts import is_near, origin_of
from models_registry.config.networks import Network, network_of
from models_registry.config.provider import Provider
from models_registry.config.sections import LitellmParams, ModelInfo
from models_registry.target import Residency

LOCAL, CLOUD = "local", "cloud"


def residency_of(
    provider: Provider, params: LitellmParams, info: ModelInfo, address: str, own_host: bool
) -> Residency | str:
    """The residency of a deployment, or what is wrong with what the config says of it. A local provider at an
    address of this machine or its network is local where the config says nothing."""
    said = params.residency or info.residency
    if said == LOCAL and own_host and not provider.local:
        return "residency: local stands at the provider's own host, which is nobody else's"
    found = said_residency(
        said, address, is_trusted=bool(params.allow_public_local or info.allow_public_local)
    )
    if found is None:
        return Residency.NEAR if provider.local and is_near(address) else Residency.ANYWHERE
    return f"residency: {found}" if isinstance(found, str) else found


def said_residency(said: object, address: str, *, is_trusted: bool) -> Residency | str | None:
    """The residency that a config says of an address, or what is wrong with it. None: it says none.
    `is_trusted`: it says `allow_public_local` too."""
    if said is None:
        return None
    if said == CLOUD:
        return Residency.ANYWHERE
    if said != LOCAL:
        return "expected local or cloud"
    if is_trusted:
        return Residency.TRUSTED
    if is_public(address):
        return "local stands at a public address; `allow_public_local: true` says that the host is yours"
    return Residency.LOCAL


def is_public(address: str) -> bool:
    """Whether an address is certain to leave the house. What a name leads to is judged when it is called."""
    origin = origin_of(address)
    if origin is None:
        return False
    try:
        return network_of(ipaddress.ip_address(origin.host)) not in (Network.PRIVATE, Network.SHARED)
    except ValueError:
        return False
