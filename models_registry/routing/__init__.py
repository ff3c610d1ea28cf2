"""Which deployment is attempted next: the way of a call, and the settings of it."""
