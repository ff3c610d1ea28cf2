"""Ends this process when its parent process ends, in any way."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int, sign: signal.Signals) -> None:
    """Ask Linux for a signal when the parent ends. Where the parent has ended already, this process exits at
    once. On other systems this does nothing.

    Linux sends the signal when the thread that started this process ends, so that thread must live on.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, sign)
        if os.getppid() != parent_pid:
            os._exit(1)
