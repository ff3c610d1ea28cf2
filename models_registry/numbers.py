"""Numbers in the config, checked: whatever is wrong with one names its path."""

from decimal import Decimal

Number = float | int | str
"""YAML 1.1 reads `3e-05` as text; it is a number all the same."""


class BadDeployment(ValueError):
    """A deployment that can't be called; `path` is where in the config. Callers are told of it, so that no
    message has a value: it may come from the environment, or be a secret in the wrong place. `variable` names
    what the environment lacks, such as `OPENAI_API_KEY`, where that is the reason."""

    def __init__(self, path: str, message: str, *, variable: str = "") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.variable = variable


def number(value: object, path: str, *, least: Decimal = Decimal(0), most: Decimal) -> Decimal:
    """YAML's number, text such as 3e-05 included, as it was written and within its limits. Raises
    BadDeployment."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        found = Decimal(value) if isinstance(value, int) else Decimal(str(value))
        fits = least <= found <= most
    except (ArithmeticError, ValueError):  # no number, NaN, or an exponent past decimal's own
        fits = False
    if not fits:
        lower = f"{least}" if least else "zero or more"
        raise BadDeployment(path, f"expected a number of {lower}, up to {most}")
    return found
