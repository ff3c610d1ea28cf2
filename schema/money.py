"""Money: whole nano-USD inside, exact decimal dollars in columns and on the wire."""

from decimal import Decimal

NANO_PER_USD = 10**9


def usd(nano: int) -> Decimal:
    """Nano-USD as exact dollars, with nine digits behind the point."""
    return Decimal(nano).scaleb(-9)


def plain_usd(nano: int) -> Decimal:
    """The same without needless zeros: `0.25`, `3`."""
    found = usd(nano).normalize()
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def dollars_text(nano: int) -> str:
    """The same as text, without an exponent: `0.000123`, `0`."""
    whole, part = divmod(nano, NANO_PER_USD)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".")
