"""The doctor's looks at Ollama, at the Ollamas that pull, and at the door of the local models."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from models_registry.config.networks import IpAddress, Network, network_of
from runtime.commands.findings import CONNECT_S, Finding
from runtime.outbound import Unreachable, answer_of


async def of_ollama(base: str) -> Finding:
    version = await _version(base)
    if version is None:
        return Finding("error", f"Ollama: {base} does not tell its version")
    return exposure(version, base, await _ips_of(base))


def exposure(version: str, base: str, ips: Sequence[IpAddress]) -> Finding:
    """What the addresses of an Ollama say of who else may use it: it has answered without a key."""
    text = f"Ollama {version} at {base}"
    outside = [ip for ip in ips if network_of(ip) is not Network.PRIVATE]
    if outside:
        kind = network_of(outside[0]).value
        return Finding(
            "warning",
            f"{text}: {outside[0]} is of a {kind} network, and it asks for no key: anybody who reaches that "
            "address may use it",
        )
    if ips and all(ip.is_loopback for ip in ips):
        unseen = "this machine's own address; whether it listens at others too can't be seen from here"
    else:
        unseen = "a private network's address; who else is in that network can't be seen from here"
    return Finding("ok", f"{text}: {unseen}")


async def of_pull_base(base: str, name: str) -> Finding:
    if await _version(base) is None:
        return Finding("error", f"pulls for {name}: the Ollama at {base} does not answer: no model is pulled")
    return Finding("ok", f"pulls for {name}: the Ollama at {base} answers")


async def of_door(address: str) -> Finding:
    """Whether the door answers. An empty line asks for nothing, and the door says so."""
    host, _, port = address.rpartition(":")
    cure = "`ollama pull` fails; the gateway's log says why it ended"
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.write(b"\n")
                told = await reader.readline()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, ValueError, TimeoutError) as exc:
        return Finding("error", f"door: {address} can't be reached ({type(exc).__name__}): {cure}")
    if not told.startswith(b"error "):
        return Finding("error", f"door: something else than the door answers at {address}")
    return Finding("ok", f"door: {address} answers")


async def _version(base: str) -> str | None:
    try:
        body = await answer_of("GET", f"{base}/api/version", headers={}, timeout_s=CONNECT_S, proxied=False)
        return str(msgspec.json.decode(body, type=dict[str, str]).get("version", "?"))
    except (Unreachable, msgspec.MsgspecError):
        return None


async def _ips_of(base: str) -> list[IpAddress]:
    """The addresses to which the name in a base leads. Empty: nobody knows."""
    parts = urlsplit(base)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or 80, type=socket.SOCK_STREAM
        )
    except OSError:
        return []
    return [ipaddress.ip_address(str(place[0])) for *_, place in found]
