"""Commands that are not serving: the development stack, one call without HTTP, the table of model facts, the
files of the schema."""
