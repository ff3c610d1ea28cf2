"""The saved filters of the admin UI's pages. Ours alone."""

from piccolo.columns import JSONB, Text, Timestamptz
from piccolo.table import Table


class SavedFilterRow(Table, tablename="Switchgear_SavedFilter"):
    """What a user looks for on a page, under a name. A user has a name once on each page (a unique index).
    The rows of a deleted user go with the user."""

    filter_id = Text(primary_key=True, default=None)
    user_id = Text(default=None)
    page = Text(default=None)
    name = Text(default=None)
    filters = JSONB(default="{}")
    created_at = Timestamptz(default=None)
    updated_at = Timestamptz(default=None)
