"""Checks the numbers in the config. An error names the path of the number."""

from decimal import Decimal

Number = float | int | str
"""A number as the config has it. It may be text, since YAML 1.1 reads `3e-05` as text."""


class BadDeployment(ValueError):
    """A deployment that can't be called. `path` is the place in the config. Callers see the message, so no
    value of the config is in it: a value may come from the environment, or be a secret in the wrong place.
    `variable` names what the environment lacks, such as `OPENAI_API_KEY`, where that is the reason."""

    def __init__(self, path: str, message: str, *, variable: str = "") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.variable = variable


def number(value: object, path: str, *, least: Decimal = Decimal(0), most: Decimal) -> Decimal:
    """A number of the config as an exact Decimal, also where it is text such as `3e-05`. Raises BadDeployment
    where the value is no number or is not between `least` and `most`."""
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
