"""SQL of one's own, put together: conditions as text, their values as numbered parameters."""

from collections.abc import Iterable, Sequence


class Conditions:
    """Conditions that all have to hold. `values` are what `$1` and so on stand for."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._texts: list[str] = []

    def bind(self, value: object) -> str:
        """A parameter for a value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, text: str, *values: object) -> None:
        """A condition in which `{}` stands for each value."""
        self._texts.append(text.format(*map(self.bind, values)))

    def one_of(self, column: str, values: Sequence[str]) -> str:
        """Text of a condition, for a column of texts. A single value is compared, since Postgres reads rows
        in an index's order only for `=`."""
        if len(values) == 1:
            return f"{column} = {self.bind(values[0])}"
        return f"{column} = ANY ({self.bind(list(values))}::text[])"

    def among(self, column: str, values: Sequence[str]) -> None:
        """A condition: any of these values; with none of them, nothing fits."""
        self._texts.append(self.one_of(column, values))

    def either(self, texts: Iterable[str]) -> None:
        """Any of these; with none of them, nothing fits."""
        self._texts.append(f"({' OR '.join(texts) or 'FALSE'})")

    @property
    def where(self) -> str:
        return f" WHERE {' AND '.join(self._texts)}" if self._texts else ""
