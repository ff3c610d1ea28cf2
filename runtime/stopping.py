"""The message for a call that a stopping worker cancels, and the way to send it."""

import asyncio

STOPPED = "This worker is stopping, and its time for calls under way is up; try again."


def go_on() -> None:
    """Undo the cancellation of the current task, so that the task can still tell its client that it ends."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
