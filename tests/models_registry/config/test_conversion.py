"""Where a wrong value stands in a mapping of many."""

import msgspec
import pytest

from models_registry.config.conversion import converted
from models_registry.numbers import BadDeployment

BEFORE = 2_000


class Large(msgspec.Struct):
    """A list whose conversion would be felt if it were made for each key beside it."""

    name: str
    aliases: dict[str, str] = {}
    others: list[int] = []


def test_the_key_of_a_wrong_value_is_named_and_found_without_converting_the_rest_for_each_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    convert = msgspec.convert

    def counted(values: dict[str, object], kind: type, *, strict: bool) -> object:
        sizes.append(len(values))
        return convert(values, kind, strict=strict)

    monkeypatch.setattr("models_registry.config.conversion.msgspec.convert", counted)
    aliases: dict[str, object] = {f"a{n}": "x" for n in range(BEFORE)}
    values = {"name": "n", "aliases": aliases | {"wrong": ["no"]}, "others": list(range(BEFORE))}
    with pytest.raises(BadDeployment, match=r"^settings\.aliases\.wrong: Expected `str`, got `array`"):
        converted(values, "settings", Large)
    assert sizes == [3, *([2] * (BEFORE + 1))], "the needed field and one key"
