"""The page of all providers, made of their rows: `docs/providers.md`."""

from collections.abc import Iterable, Sequence

from models_registry.config.provider import Provider
from models_registry.turns.surfaces import Surface

VERIFIED = 2
"""A row with so many sources is no longer `unverified`."""
HEAD = """# Providers

A model is named `provider/model` in `litellm_params.model`. This page is made by `just providers --markdown` from
the rows in `models_registry/config/providers.py` and `models_registry/config/openai_like.py`: adding a provider that
speaks OpenAI's dialect is adding a line to the second file. A key that the config does not have comes from the
environment, and goes to the provider's own hosts alone. Any other server that speaks the dialect is `openai/<model>`
with an `api_base`.

A row says what its sources said when it was written. Whether a provider still exists is not claimed. `unverified`: the
row has one source.

| provider | address | key | surfaces | what differs | sources |
| --- | --- | --- | --- | --- | --- |
"""


def provider_page(rows: Iterable[Provider]) -> str:
    """The whole page as Markdown."""
    return HEAD + "".join(f"| {' | '.join(cells_of(row))} |\n" for row in rows)


def cells_of(row: Provider) -> Sequence[str]:
    """What the page and the command say of one provider."""
    return (
        f"`{row.prefix}`",
        _address(row),
        " or ".join(f"`{name}`" for name in row.api_key_env) + ("" if row.needs_key else " (optional)"),
        _surfaces(row),
        "; ".join(_differences(row)),
        ", ".join(row.sources) + (" (unverified)" if len(row.sources) == 1 else ""),
    )


def _address(row: Provider) -> str:
    if row.api_base is not None:
        return f"`{row.api_base}`"
    variable = f"`api_base` or `{row.api_base_env[0]}`" if row.api_base_env else "`api_base`"
    return f"{variable}, usually `{row.usual_base}`" if row.usual_base else variable


def _surfaces(row: Provider) -> str:
    own = row.dialect.facts.surfaces | set(row.surfaces)
    return ", ".join(surface.value for surface in Surface if surface in own)


def _differences(row: Provider) -> Iterable[str]:
    if row.dialect.facts.known_as:
        yield f"speaks {row.dialect.facts.known_as}"
    if row.local:
        yield "local: calls cost nothing unless the config says otherwise"
    if row.key_header != "authorization":
        yield f"the key goes in `{row.key_header}`"
    if row.azure_paths:
        yield "Azure's addresses (`api_version`)"
    if row.limit_name:
        yield f"a limit is sent as `{row.limit_name}`"
    if not row.takes_stream_options:
        yield "takes no `stream_options`"
    if row.joins_content:
        yield "parts of text are joined"
    if row.refused_in_messages:
        yield f"{', '.join(f'`{name}`' for name in row.refused_in_messages)} of earlier answers are left out"
    if row.messages_base:
        yield f"Messages at `{row.messages_base}`"
    for name, value in row.defaults:
        yield f"`{name}: {value.decode()}` is sent"
