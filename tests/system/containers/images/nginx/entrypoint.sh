#!/bin/sh
set -eu
names=$(awk 'END { for (name in ENVIRON) if (name ~ /'"${NGINX_ENVSUBST_FILTER:-}"'/) printf "${%s} ", name }' </dev/null)
cd /etc/nginx/templates
for template in *.template */*.template; do
    path=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}/${template%.template}
    mkdir -p "$(dirname "$path")"
    envsubst "$names" <"$template" >"$path"
done
exec "$@"
