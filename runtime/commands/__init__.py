"""Commands that are not serving: the development stack, one call without HTTP, the files of the schema."""
