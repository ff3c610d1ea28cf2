#!/bin/sh
set -eu
{
    echo "SERVER_MODE = True"
    echo "DATA_DIR = '/var/lib/pgadmin'"
    echo "LOG_FILE = '/dev/null'"
    echo "SQLITE_PATH = '/var/lib/pgadmin/pgadmin4.db'"
    echo "SESSION_DB_PATH = '/var/lib/pgadmin/sessions'"
    echo "STORAGE_DIR = '/var/lib/pgadmin/storage'"
    echo "AZURE_CREDENTIAL_CACHE_DIR = '/var/lib/pgadmin/azure'"
    echo "KERBEROS_CCACHE_DIR = '/var/lib/pgadmin/krb'"
    env | sed -n 's/^PGADMIN_CONFIG_\([A-Z_]*\)=\(.*\)$/\1 = \2/p'
} >/pgadmin4/config_distro.py
if [ ! -f /var/lib/pgadmin/pgadmin4.db ]; then
    PGADMIN_SETUP_EMAIL=$PGADMIN_DEFAULT_EMAIL PGADMIN_SETUP_PASSWORD=$(cat "$PGADMIN_DEFAULT_PASSWORD_FILE")
    export PGADMIN_SETUP_EMAIL PGADMIN_SETUP_PASSWORD
    /venv/bin/python3 /pgadmin4/setup.py setup-db >/dev/null
    storage=/var/lib/pgadmin/storage/$(echo "$PGADMIN_DEFAULT_EMAIL" | sed 's/@/_/g')
    mkdir -p "$storage"
    cp "$PGPASS_FILE" "$storage/.pgpass"
    chmod 600 "$storage/.pgpass"
    /venv/bin/python3 /pgadmin4/setup.py load-servers "$PGADMIN_SERVER_JSON_FILE" --user "$PGADMIN_DEFAULT_EMAIL" >/dev/null
fi
exec /venv/bin/python3 -m gunicorn --bind 0.0.0.0:80 -w 1 --threads "${GUNICORN_THREADS:-25}" run_pgadmin:app
