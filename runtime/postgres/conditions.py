"""Puts the conditions of an SQL query together: their text, and their values as numbered parameters."""

from collections.abc import Iterable, Sequence


class Conditions:
    """The conditions of a query: a row must meet all of them. `values` are the values of `$1`, `$2` and so
    on."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._texts: list[str] = []

    def bind(self, value: object) -> str:
        """The parameter for a value: `$1`."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, text: str, *values: object) -> None:
        """Add a condition. Each `{}` in its text stands for one of the values."""
        self._texts.append(text.format(*map(self.bind, values)))

    def one_of(self, column: str, values: Sequence[str]) -> str:
        """The text of a condition: a column of texts has one of these values. A single value is compared with
        `=`, since only then Postgres reads rows in the order of an index."""
        if len(values) == 1:
            return f"{column} = {self.bind(values[0])}"
        return f"{column} = ANY ({self.bind(list(values))}::text[])"

    def among(self, column: str, values: Sequence[str]) -> None:
        """Add a condition: the column has one of these values. Without values, no row meets it."""
        self._texts.append(self.one_of(column, values))

    def either(self, texts: Iterable[str]) -> None:
        """Add a condition: a row meets one of these texts at least. Without texts, no row meets it."""
        self._texts.append(f"({' OR '.join(texts) or 'FALSE'})")

    @property
    def where(self) -> str:
        """The WHERE clause, with a space before it. Empty where there is no condition."""
        return f" WHERE {' AND '.join(self._texts)}" if self._texts else ""
