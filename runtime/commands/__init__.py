"""Commands that are not serving: the development stack, one call without HTTP."""
