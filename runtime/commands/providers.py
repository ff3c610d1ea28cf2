"""`just providers`: the providers that a config can name, and what each of them needs."""

from collections.abc import Mapping

from models_registry.config.provider import Provider
from models_registry.config.provider_page import provider_page
from models_registry.config.providers import PROVIDERS


def print_providers(env: Mapping[str, str], *, markdown: bool, name: str | None) -> int:
    """Print the page of the docs, or a line for each provider whose name begins with `name`: its address, and
    whether the environment has its key. Gives the exit code."""
    rows = [row for row in PROVIDERS.values() if name is None or row.prefix.startswith(name)]
    if markdown:
        print(provider_page(rows), end="")
        return 0
    for row in rows:
        print(f"{row.prefix:24} {row.api_base or row.usual_base or '(api_base)':60} {_key(row, env)}")
    if not rows:
        print("no provider has such a name; another server that speaks OpenAI's dialect is openai/<model>")
    return 0 if rows else 1


def _key(row: Provider, env: Mapping[str, str]) -> str:
    if not row.api_key_env:
        return "no key"
    found = next((name for name in row.api_key_env if env.get(name)), None)
    if found is not None:
        return f"{found} is set"
    return f"{' or '.join(row.api_key_env)}{'' if row.needs_key else ' (optional)'}"
