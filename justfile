# The recipes of this repository. `just` without a name lists them.

set positional-arguments

bin := justfile_directory() / ".venv" / if os_family() == "windows" { "Scripts" } else { "bin" }
python := bin / "python"

[private]
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Run everything on this machine: Postgres, a small real model, the gateway on http://127.0.0.1:4000
dev *args:
    @exec "{{ python }}" -m runtime dev "$@"

# Run what the compose project runs, without containers: nginx on http://localhost:3000, the gateway, Postgres, pgAdmin, a model
stack *args:
    @exec "{{ python }}" -m runtime stack "$@"

# Run the gateway alone: --config FILE --host H --port N --workers N --functions a,b --strict --check-config
serve *args:
    @exec "{{ python }}" -m runtime serve "$@"

# Develop the admin UI with live reloading, beside a running gateway: http://127.0.0.1:5173/ui/
ui *args:
    @"{{ python }}" -m runtime ui "$@"

# Build the admin UI, where something of it has changed: --force builds it in any case
ui-build *args:
    @"{{ python }}" -m runtime ui-build "$@"

# Run the tests of the admin UI's parts; `just test-system` has those in a browser
ui-test *args:
    @"{{ python }}" -m runtime ui-test "$@"

# Fill the empty database of a development gateway with a believable month: --rows N
demo-data *args:
    @"{{ python }}" -m runtime demo-data "$@"

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

# Make the table of list prices anew of the package genai-prices, as it is installed
update-prices:
    @"{{ python }}" -m runtime.commands.update_prices

# Look at what the gateway stands on: database, migrations, clock, upstreams, Ollama, leases, TLS; --offline opens nothing
doctor *args:
    @"{{ python }}" -m runtime doctor "$@"

# Write all tables of the database into a file: just backup FILE
backup *args:
    @"{{ python }}" -m runtime backup "$@"

# Fill an empty database from a backup, and compare: just restore FILE
restore *args:
    @"{{ python }}" -m runtime restore "$@"

# Start the compose project (docker), as `docker compose up -d` in infra does
up *args:
    cd infra && docker compose up -d "$@"

# Print the admin's key of the compose project
key:
    cd infra && docker compose exec litellm switchgear key

# List the providers that a config can name, and what each of them needs: just providers [NAME] [--markdown]
providers *args:
    @"{{ python }}" -m runtime providers "$@"

# Make the smallest real call to a provider or a model, and say what is wrong: just try-provider groq
try-provider name *args:
    @"{{ python }}" -m runtime try-provider "$@"

# Run the tests that need nginx, containers or a browser, or kill and starve gateways; a test skips, with the reason, where its part is missing
test-system *args:
    @"{{ python }}" -m pytest tests/system tests/e2e/faults "$@"

# Run the compose project in containers, with Docker, or podman and images that are built here: 8 minutes at first
test-containers *args:
    @"{{ python }}" -m pytest tests/system/containers "$@"

# Run soaks and long searches for faults: a quarter of an hour or more, and never in CI
test-long *args:
    @"{{ python }}" -m pytest tests/long "$@"

# Work a gateway for ten minutes on loopback, and judge its memory, errors and rows: --minutes N
soak *args:
    @"{{ python }}" -m tests.long.soak "$@"

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
