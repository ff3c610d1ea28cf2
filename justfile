# How to do things here. `just` alone lists the recipes.

set positional-arguments

bin := justfile_directory() / ".venv" / if os_family() == "windows" { "Scripts" } else { "bin" }
python := bin / "python"

[private]
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Everything on this machine: Postgres, a small real model, the gateway on http://127.0.0.1:4000
dev *args:
    @"{{ python }}" -m runtime dev "$@"

# The gateway alone: --config FILE --host H --port N --workers N --functions a,b --strict --check-config
serve *args:
    @"{{ python }}" -m runtime serve "$@"

# One function without HTTP: just invoke chat '{"model": ..., "messages": [...]}'
invoke name *args:
    @"{{ python }}" -m runtime invoke "$@"

# Bring the database's tables up to date (serve and dev do it at start)
migrate *args:
    @"{{ python }}" -m runtime migrate "$@"

# The tests, a file at a time on each of up to four cores (.venv/bin/pytest runs them in one process)
test *args:
    @"{{ python }}" -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"

# The document's rows that need nginx, containers or a browser; each skips with the reason where one is missing
test-system *args:
    @"{{ python }}" -m pytest tests/system "$@"

# Soaks and long searches for faults, a quarter of an hour or more; never in CI
test-long *args:
    @"{{ python }}" -m pytest tests/long "$@"

# Lint, formatting, types, import rules
check:
    "{{ bin }}/ruff" check .
    "{{ bin }}/ruff" format --check .
    "{{ bin }}/mypy"
    "{{ bin }}/lint-imports"

# Reformat, and mend what the linter can
fmt:
    "{{ bin }}/ruff" format .
    "{{ bin }}/ruff" check --fix .

# Calls and streams a second beside the floor app; --quick for a short run
bench *args:
    @"{{ python }}" -m tests.bench "$@"
