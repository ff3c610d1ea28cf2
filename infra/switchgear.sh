#!/bin/sh
# The one command inside the image. `start` brings the database up to date, keeps the door of the local models open where
# SWITCHGEAR_DOOR names one, and serves; every other word is a command of its own: key, health, secrets, migrate, ...
set -eu
umask 077
cd /app
if [ "${1:-}" = start ]; then
    shift
    console=${SWITCHGEAR_CONSOLE_PASSWORD_FILE:-}
    tries=0
    until python3 -m runtime migrate ${console:+--console-password-file "$console"}; do
        code=$? tries=$((tries + 1))
        # 2 is a bad setting. With the others the database, or its name, may be on its way.
        if [ "$code" = 2 ] || [ "$tries" -ge 30 ]; then exit "$code"; fi
        sleep 1
    done
    if [ -n "${SWITCHGEAR_DOOR:-}" ]; then
        # $$ is this shell's id in the subshell too, and the gateway's after exec.
        while kill -0 "$$" 2>/dev/null; do
            code=0
            python3 -m runtime door || code=$?
            if [ "$code" = 2 ]; then break; fi
            echo "switchgear: the door ended with $code; it is opened again in 5 seconds" >&2
            sleep 5
        done &
    fi
    exec python3 -m runtime serve "$@"
fi
exec python3 -m runtime "$@"
