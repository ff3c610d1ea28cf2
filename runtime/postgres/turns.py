"""Turns: one transaction at a time does what is done with one text, such as looking up an e-mail address."""

from runtime.postgres.database import Database


async def take_turn(database: Database, number: int, text: str) -> None:
    """Wait until no other transaction has the turn of this number and text, in any case of letters. The
    transaction under way keeps the turn until it ends."""
    transaction = database.engine.current_transaction.get()
    assert transaction is not None, "a turn is taken in a transaction"
    await transaction.connection.execute(
        "SELECT pg_advisory_xact_lock($1, hashtext(lower($2)))", number, text
    )
