"""Which proxy a provider is reached by: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` of the
environment, in either case of letters."""

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from models_registry.config.hosts import is_near
from schema.secret import Secret


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy. `authorization` is the value of its `Proxy-Authorization`."""

    host: str
    port: int
    authorization: Secret | None = None


class Proxies:
    """The proxies of an environment. Raises ValueError, whose message has no password, for an address that is
    none of an HTTP proxy."""

    def __init__(self, env: Mapping[str, str]) -> None:
        every = _proxy(env, "ALL_PROXY")
        self._by_scheme = {
            "http": _proxy(env, "HTTP_PROXY") or every,
            "https": _proxy(env, "HTTPS_PROXY") or every,
        }
        excepted = env.get("no_proxy") or env.get("NO_PROXY") or ""
        self._excepted = [word.strip().lower() for word in excepted.split(",") if word.strip()]

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a host; None where the host is reached directly. This machine and private networks
        always are: what stays local passes nobody."""
        proxy = self._by_scheme.get(scheme)
        named = f"[{host}]" if ":" in host else host
        if (
            proxy is None
            or is_near(f"{scheme}://{named}")
            or any(_covers(each, host, port) for each in self._excepted)
        ):
            return None
        return proxy


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` names a host: `*`, a domain with all below it, an address, a network, or
    one of these with a port."""
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.startswith("[")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").lstrip(".")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return host == entry or host.endswith(f".{entry}")


def _proxy(env: Mapping[str, str], name: str) -> Proxy | None:
    text = env.get(name.lower()) or env.get(name)
    if not text:
        return None
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port or 80
    except ValueError:
        raise ValueError(f"{name}: it is no address") from None
    if url.scheme != "http" or not host:
        raise ValueError(
            f"{name}: only proxies that are spoken to in plain HTTP (http://host:port) can be used"
        )
    authorization = None
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = Secret("Basic " + base64.b64encode(pair.encode()).decode())
    return Proxy(host=host, port=port, authorization=authorization)
