"""The page on what each pair of a surface and a dialect carries is what the code does."""

from models_registry.dialects import Dialect
from tests.models_registry.fronts.carried import FEATURES, LEFT_OUT, NAMELESS, NAMES, PAGE, carried, page


def test_the_page_is_what_the_code_does() -> None:
    assert NAMELESS not in page()
    assert PAGE.read_text() == page(), "run `python -m tests.models_registry.fronts.carried`"


def test_every_dialect_has_its_column() -> None:
    assert NAMES.keys() == set(Dialect)


def test_what_the_model_reads_is_never_left_out() -> None:
    read = ("text", "picture", "PDF", "file", "sound", "tool", "result", "schema", "instructions")
    silent = [
        (surface, dialect, label)
        for surface, features in FEATURES.items()
        for label in features
        for dialect in Dialect
        if any(word in label for word in read) and carried(surface, dialect, label) == LEFT_OUT
    ]
    assert silent == []
