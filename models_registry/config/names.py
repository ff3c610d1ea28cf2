"""The names in a list of the config, for a line that is about the list."""

from collections.abc import Mapping

from models_registry.backends.credentials import without_credentials

MOST_NAMES = 10
MAX_CHARS = 40


def names_in(value: object) -> str:
    """The names in a list of the config, such as ` (langfuse, s3)`; empty where it has none. A text that may
    be something else than a name is left out."""
    if not isinstance(value, list):
        return ""
    found = [name for each in value if (name := _name_of(each))]
    more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return f" ({', '.join(found[:MOST_NAMES])}{more})" if found else ""


def _name_of(item: object) -> str:
    if isinstance(item, Mapping):
        own = (value for key, value in item.items() if key == "name" or str(key).endswith("_name"))
        item = next(own, "")
    if not isinstance(item, str) or not 0 < len(item) <= MAX_CHARS:
        return ""
    if without_credentials(item) != item:
        return ""
    return item if item.replace("_", "").replace("-", "").replace(".", "").isalnum() else ""
