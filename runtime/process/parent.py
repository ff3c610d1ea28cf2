"""Ending with the process that started this one, however that ends."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int, sign: signal.Signals) -> None:
    """Ask Linux for a signal when the parent ends; leave at once where it has ended already.

    The parent is the thread that started this process: it must be one that lives on.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, sign)
        if os.getppid() != parent_pid:
            os._exit(1)
