"""What a call is told that its stopping worker cancelled."""

import asyncio

STOPPED = "This worker is stopping, and its time for calls under way is up; try again."


def go_on() -> None:
    """The task was cancelled to make it end, and has yet to say so to its client."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
