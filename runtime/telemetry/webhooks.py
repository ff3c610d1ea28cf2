"""The webhooks in the config, and the bodies that they are sent: Slack's, Teams's, and one of our own."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.config.reader import Config
from runtime.outbound import flaw_of
from schema.alerts import AlertRecord
from schema.secret import Secret


class Style(enum.Enum):
    """The kind of a webhook, in LiteLLM's words, as `general_settings.alerting` names it."""

    SLACK = "slack"
    TEAMS = "ms_teams"
    GENERIC = "webhook"


ADDRESSES: Mapping[Style, str] = MappingProxyType(
    {
        Style.SLACK: "SLACK_WEBHOOK_URL",
        Style.TEAMS: "MS_TEAMS_WEBHOOK_URL",
        Style.GENERIC: "WEBHOOK_URL",
    }
)
"""The environment variable that has the address, for each style."""

PROXIES = ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
"""The environment variables that send webhooks through a proxy."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is told of every alert. Its address is a secret: whoever has it can post there."""

    style: Style
    url: Secret


def webhooks_of(config: Config) -> tuple[tuple[Webhook, ...], tuple[str, ...]]:
    """The webhooks of a config, and a warning for each entry that can't be told. A server starts in spite of
    the warnings, also with LiteLLM's `email`, which is not supported."""
    found, warnings = [], []
    for place, name in enumerate(config.general_settings.alerting or ()):
        path = f"general_settings.alerting[{place}]"
        try:
            style = Style(name)
        except ValueError:
            known = ", ".join(style.value for style in Style)
            warnings.append(f"{path}: {name!r} is told of no alert; known are {known}")
            continue
        url = config.environment.get(ADDRESSES[style], "")
        flaw = flaw_of(url) if url else "it is not set"
        if flaw is not None:
            warnings.append(
                f"{path}: {name} is told of no alert: it needs {ADDRESSES[style]}, an address that starts "
                f"with https://; {flaw}"
            )
            continue
        found.append(Webhook(style=style, url=Secret(url)))
    proxies = [name for name in PROXIES if config.environment.get(name, "").startswith("socks")]
    if found and proxies:
        warnings.append(
            f"general_settings.alerting: {proxies[0]} is a SOCKS proxy, through which none is told"
        )
    return tuple(found), tuple(warnings)


def body_of(style: Style, alert: AlertRecord) -> object:
    """The value that is posted to a webhook as JSON."""
    title = f"Switchgear: {alert.kind} {alert.object}"
    if style is Style.SLACK:
        return {"text": f"*{_plain(title)}*\n{_plain(alert.message)}"}
    if style is Style.TEAMS:
        blocks = [
            {"type": "TextBlock", "text": title, "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": alert.message, "wrap": True},
        ]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": blocks,
        }
        kind = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}
    return {
        "id": alert.id,
        "event": alert.kind,
        "object": alert.object,
        "event_message": alert.message,
        "host": alert.host,
        "first_at": alert.first_at,
    }


def _plain(text: str) -> str:
    """The text with the characters escaped that Slack reads as markup: a name may contain `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
