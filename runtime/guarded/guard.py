"""Judges where an address leads, before anything is sent there.

A name is resolved once, each of its addresses is judged, and the connection goes to one of these very
addresses. So a name that leads elsewhere at the second look-up gains nothing.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from models_registry.config.hosts import is_near
from models_registry.config.networks import IpAddress, Network, ip_of, network_of
from runtime.guarded.rules import GuardRules

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host's name and a port to its IP addresses as text. Raises OSError where the name has none."""
MAX_ADDRESSES = 4
"""How many addresses of a host are tried."""


UNSEEN = (
    "it is reached through a proxy only, so that nobody can judge where it leads; an admin can name the host "
    "in general_settings.user_url_allowed_hosts, or set general_settings.fetch_through_proxy"
)
"""Why a host is not called whose address a proxy finds."""


class Forbidden(Exception):
    """Nothing may be asked at an address. The message says why, in words that fit behind a colon."""


class Guard:
    """Judges hosts by the config's rules."""

    def __init__(self, rules: GuardRules, resolve: Resolve, *, stays_near: bool = False) -> None:
        self._rules = rules
        self._resolve = resolve
        self._stays_near = stays_near

    @property
    def near(self) -> "Guard":
        """The same for calls that stay local: nothing public is asked."""
        return Guard(self._rules, self._resolve, stays_near=True)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host that may be asked, at most MAX_ADDRESSES. Raises Forbidden where one of
        the host's addresses may not be, and OSError where the host has none."""
        found = await self._resolve(host, port)
        for address in found:
            self.judge(host, port, address)
        return list(dict.fromkeys(found))[:MAX_ADDRESSES]

    def why_not_called(self, host: str, port: int, address: str | None) -> str | None:
        """Why a deployment that was made through the API may not be called at an address, as which its host
        was resolved, or at the one that a proxy finds (None). None: it may. Whoever enters an address of a
        private network as such, or a name that only a private network has, such as `gpu-1`, means it."""
        plain = host.strip("[]")
        if address is None and (ip := ip_of(plain)) is not None:
            address = str(ip)
        if address is None:
            allowed = self._rules.through_proxy or self._names(host, port)
            return None if allowed else UNSEEN
        try:
            self.judge(host, port, address)
        except Forbidden as exc:
            is_meant = ip_of(plain) is not None or is_near(f"http://{plain}")
            if is_meant and network_of(ipaddress.ip_address(address)) is not Network.FORBIDDEN:
                return None
            return str(exc)
        return None

    def judge(self, host: str, port: int, address: str) -> None:
        """Raise Forbidden unless an address, as which a host was resolved, may be asked."""
        try:
            ip: IpAddress = ipaddress.ip_address(address)
        except ValueError:
            raise Forbidden("its address can't be judged") from None
        network = network_of(ip)
        if network is Network.PUBLIC:
            if self._stays_near:
                raise Forbidden("it leads to a public address, and this call stays local (local_only)")
            return
        if network is Network.FORBIDDEN:
            raise Forbidden("it leads to an address that is never asked: link-local, metadata or reserved")
        if not (self._rules.private or self._names(host, port) or self._covers(ip)):
            raise Forbidden(
                "it leads to a private network; an admin can allow the host in "
                "general_settings.user_url_allowed_hosts"
            )

    def _names(self, host: str, port: int) -> bool:
        plain = host.lower().removesuffix(".").strip("[]")
        return not {(plain, port), (plain, None)}.isdisjoint(self._rules.hosts)

    def _covers(self, ip: IpAddress) -> bool:
        forms = [ip]
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            forms.append(ip.ipv4_mapped)
        for form in forms:
            for network in self._rules.networks:
                with suppress(TypeError):
                    if form in network:
                        return True
        return False
