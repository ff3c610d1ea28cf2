#!/bin/sh
# Takes out of an environment what the gateway never reads: 80 MB. $1 is the environment.
set -eu
site=$(echo "$1"/lib/python3*/site-packages)
# botocore signs requests and finds endpoints and credentials; of its services only these are read.
for folder in "$site"/botocore/data/*/; do
    case $(basename "$folder") in
    sts | sso | sso-oidc | signin) ;;
    *) rm -rf "$folder" ;;
    esac
done
# Litestar's OpenAPI examples come from faker, and piccolo's colours from pygments: both are imported, and of their data
# only this is used.
find "$site/faker/providers" -mindepth 2 -type d -name '*_*' ! -name en_US ! -name __pycache__ -prune -exec rm -rf {} +
find "$site/pygments/lexers" -name '*.py' ! -name '__init__.py' ! -name '_mapping.py' ! -name 'python.py' \
    ! -name 'special.py' ! -name 'sql.py' ! -name 'markup.py' -delete
find "$site/pygments/lexers" -name __pycache__ -prune -exec rm -rf {} +
rm -f "$site"/zstandard/_cffi*.so # PyPy's
find "$site" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find "$site" -type f \( -name '*.pyi' -o -name '*.c' -o -name '*.pyx' -o -name '*.h' \) -delete
find "$site" -type f -name '*.so*' -exec strip --strip-unneeded {} +
