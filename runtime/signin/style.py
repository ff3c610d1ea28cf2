"""The folder of the templates, and the style sheet of the pages."""

from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")
STYLE_PATH = "/signin.css"
ICON_PATH = "/icon.svg"


def style() -> str:
    """The style sheet of all pages."""
    return (TEMPLATES / "signin.css").read_text()


def icon() -> str:
    """The icon that a browser shows for all pages."""
    return (TEMPLATES / "icon.svg").read_text()
