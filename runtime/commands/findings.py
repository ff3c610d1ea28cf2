"""What the doctor finds."""

from typing import Literal

import msgspec

CONNECT_S = 5.0
"""How long a look at one address may take."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    text: str
