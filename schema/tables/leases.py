"""What workers have taken out of budgets and limits to spend from memory. Ours alone.

Amounts are whole numbers: nano-USD, requests, tokens or slots, by the account's meter.
"""

from piccolo.columns import BigInt, Text, Timestamptz
from piccolo.table import Table


class Account(Table, tablename="Switchgear_Account"):
    """One budget or limit in its current window. `leased` is what is out with workers: of a rate limit it is
    also what was used. The money spent stands in the row that `kind`, `object_id` and `part` name (the team's
    own, say), so that the number people see is the one that is enforced; for an empty `kind` it is `spent`
    here. `ceiling` is the limit that it was leased under last. `epoch` is the window's, from a sequence: no
    account has one twice, also where it was deleted and made anew."""

    account = Text(primary_key=True, default=None)
    kind = Text(default="")
    object_id = Text(default="")
    part = Text(default="")
    duration = Text(null=True, default=None)
    epoch = BigInt(default=0)
    window_start = Timestamptz(null=True, default=None)
    window_end = Timestamptz(null=True, default=None)
    leased = BigInt(default=0)
    spent = BigInt(default=0)
    ceiling = BigInt(default=0)


class Lease(Table, tablename="Switchgear_Lease"):
    """What one worker holds of one account's epoch. The primary key is (account, epoch, worker).
    `written_off` was charged when the worker was given up: what it books later comes out of it, and at its
    journal's end the rest is given back. `ticket` is that of the worker's statement that changed it last, and
    `granted` what that added."""

    account = Text(primary_key=True, default=None)
    epoch = BigInt(default=None)
    worker = Text(default=None)
    amount = BigInt(default=0)
    written_off = BigInt(default=0)
    ticket = BigInt(default=0)
    granted = BigInt(default=0)


class Worker(Table, tablename="Switchgear_Worker"):
    """A worker process that leases. `seen_at` is its last heartbeat, by the database's clock. What it asked
    under tickets up to `fenced` comes to nothing if it was not done yet."""

    worker = Text(primary_key=True, default=None)
    started_at = Timestamptz(default=None)
    seen_at = Timestamptz(default=None)
    given_up_at = Timestamptz(null=True, default=None)
    fenced = BigInt(default=0)
