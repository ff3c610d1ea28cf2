"""The addresses outside that a gateway may open, as far as its config and its environment say. Pure.

Not among them: what is stored in the database, what a discovery document names, the services at which Amazon,
Google and Entra give tokens for models, and proxies.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from models_registry.config.hosts import PORTS
from models_registry.config.local_hosts import HostKind
from runtime.blueprint import Checked
from runtime.signin.providers import IdentityProvider, providers_of
from runtime.telemetry.webhooks import webhooks_of


def addresses(checked: Checked) -> dict[str, str]:
    """Each address, as scheme, host and port (`https://api.openai.com:443`), with what it is for. Paths are
    left out: a webhook's is a secret."""
    return dict(_readable(checked))


def unreadable(checked: Checked) -> list[str]:
    """What has an address that can't be read, such as `pulls for the door`."""
    return [name for address, name in _all(checked) if not is_readable(address)]


def is_readable(address: str) -> bool:
    return _origin(address) is not None


def _readable(checked: Checked) -> Iterator[tuple[str, str]]:
    seen = set[str]()
    for address, name in _all(checked):
        origin = _origin(address)
        if origin and origin not in seen:
            seen.add(origin)
            yield origin, name


def _origin(address: str) -> str | None:
    """Scheme, host and port. Empty: there is no host. None: it can't be read."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{port or PORTS.get(parts.scheme, 443)}"


def pull_bases(checked: Checked) -> dict[str, str]:
    """The Ollamas that pull for another one, by address, each with the name of the host that it pulls for.
    SWITCHGEAR_PULL_BASE is the door's."""
    found = {
        host.pull_base: host.name
        for host in checked.hosts
        if host.pulls_elsewhere and host.kind is HostKind.OLLAMA
    }
    env = checked.config.environment
    of_door = env.get("SWITCHGEAR_PULL_BASE", "").rstrip("/")
    if env.get("SWITCHGEAR_DOOR") and of_door:
        found.setdefault(of_door, "the door")
    return found


def _all(checked: Checked) -> Iterator[tuple[str, str]]:
    for target in checked.registry.everything():
        yield target.api_base, f"models of {target.provider}"
    for host in checked.hosts:
        yield host.api_base, f"the local host {host.name}"
    for base, name in pull_bases(checked).items():
        yield base, f"pulls for {name}"
    for provider in providers_of(checked.config.environment).providers:
        for address in _of_provider(provider):
            yield address, f"signing in at {provider.label}"
    if checked.tokens is not None:
        yield checked.tokens.keys_at, "keys of the issuer of callers' tokens"
    for webhook in webhooks_of(checked.config)[0]:
        yield webhook.url.reveal(), f"alerts ({webhook.style.value})"
    for guardrail in checked.guardrails.guardrails.values():
        yield guardrail.url, f"the guardrail {guardrail.name}"
    redis = checked.cache.redis
    if redis is not None:
        scheme = "rediss" if redis.tls else "redis"
        yield redis.origin.replace("http", scheme, 1), "the response cache"


def _of_provider(provider: IdentityProvider) -> Iterator[str]:
    """The addresses that the gateway opens itself. Browsers open the others."""
    given = provider.given
    yield provider.discovery or given.authorization
    yield from (given.token, given.keys, given.userinfo)
    if provider.kind == "microsoft":
        yield provider.graph
