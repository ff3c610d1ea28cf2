# The recipes of this repository. `just` without a name lists them.

set positional-arguments

bin := justfile_directory() / ".venv" / if os_family() == "windows" { "Scripts" } else { "bin" }
python := bin / "python"

[private]
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Run everything on this machine: Postgres, a small real model, the gateway on http://127.0.0.1:4000
dev *args:
    @"{{ python }}" -m runtime dev "$@"

# Run the gateway alone: --config FILE --host H --port N --workers N --functions a,b --strict --check-config
serve *args:
    @"{{ python }}" -m runtime serve "$@"

# Call one function without HTTP: just invoke chat '{"model": ..., "messages": [...]}'
invoke name *args:
    @"{{ python }}" -m runtime invoke "$@"

# Bring the database's tables up to date (serve and dev do this when they start)
migrate *args:
    @"{{ python }}" -m runtime migrate "$@"

# Write the files that say what the migrations make of a database; run it after changing a migration
schema *args:
    @"{{ python }}" -m runtime.commands.schema_files "$@"

# Run the tests in up to four processes, each file in one of them (.venv/bin/pytest runs them in one)
test *args:
    @"{{ python }}" -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"

# Make the table of what models take anew from its public sources: --litellm FILE --models-dev FILE --to FILE
update-models *args:
    @"{{ python }}" -m runtime update-models "$@"

# List the providers that a config can name, and what each of them needs: just providers [NAME] [--markdown]
providers *args:
    @"{{ python }}" -m runtime providers "$@"

# Run the tests that need nginx, containers or a browser; a test skips, with the reason, where its part is missing
test-system *args:
    @"{{ python }}" -m pytest tests/system "$@"

# Run soaks and long searches for faults: a quarter of an hour or more, and never in CI
test-long *args:
    @"{{ python }}" -m pytest tests/long "$@"

# Check lint, formatting, types and import rules
check:
    "{{ bin }}/ruff" check .
    "{{ bin }}/ruff" format --check .
    "{{ bin }}/mypy"
    "{{ bin }}/lint-imports"

# Reformat, and mend what the linter can
fmt:
    "{{ bin }}/ruff" format .
    "{{ bin }}/ruff" check --fix .

# Measure calls and streams a second, beside the floor app; --quick makes it a short run
bench *args:
    @"{{ python }}" -m tests.bench "$@"
