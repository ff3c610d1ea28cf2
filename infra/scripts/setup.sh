#!/usr/bin/env bash
# Makes this host a public server of the gateway: checks it, writes infra/.env, puts certificates in place, brings the
# stack up and waits until it is healthy. Run it again at any time: what is there is kept.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
./scripts/setup.sh [--domain NAME[,NAME...]] [--email ADDRESS] [--certificate FILE --key FILE]
                   [--model NAME] [--self-signed] [--dry-run]

Without --domain the names are those of LITELLM_DOMAIN (in the environment or in infra/.env); else they are asked for at
a terminal; else the host's own name is served with a self-signed certificate.

  --domain       the names of this server, the first one is its address
  --email        where Let's Encrypt writes about the certificates
  --certificate  a certificate with its chain, and with --key its key, in place of Let's Encrypt's
  --model        the local model to download, such as llama3.2:1b
  --self-signed  do not ask Let's Encrypt
  --dry-run      say what would be done, and do nothing
TEXT
}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}
run() {
    if [ "$dry" = 1 ]; then say "would run: $*"; else "$@"; fi
}

domain='' email='' certificate='' key='' model='' self_signed=0 dry=0
while [ "$#" -gt 0 ]; do
    case $1 in
    --domain | --email | --certificate | --key | --model)
        [ "$#" -ge 2 ] || fail "$1: expected a value"
        declare "${1#--}=$2"
        shift 2
        ;;
    --self-signed) self_signed=1 && shift ;;
    --dry-run) dry=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && fail "$1: no such option" ;;
    esac
done
if [ -n "$certificate$key" ]; then
    if [ -z "$certificate" ] || [ -z "$key" ]; then fail "--certificate and --key belong together"; fi
    [ -r "$certificate" ] || fail "--certificate: $certificate can't be read"
    [ -r "$key" ] || fail "--key: $key can't be read"
fi

# The value of a name in .env, empty where it is not there.
kept() { if [ -f .env ]; then sed -n "s/^$1=//p" .env | tail -n 1; fi; }

# Write a name's value into .env, in place of the one that is there.
keep() {
    if [ "$dry" = 1 ]; then
        say "would write: $1=$2 into infra/.env"
        return
    fi
    touch .env
    { grep -v "^$1=" .env || true; printf '%s=%s\n' "$1" "$2"; } >.env.new
    mv .env.new .env
}

check_docker() {
    command -v docker >/dev/null || fail "docker is not installed: https://docs.docker.com/engine/install/"
    docker version >/dev/null 2>&1 || fail "docker does not answer: is its service running, and may you use it?"
    docker compose version >/dev/null 2>&1 || fail "docker compose is missing: https://docs.docker.com/compose/install/linux/"
}

memory_mb() { awk '/^MemTotal:/ { print int($2 / 1024) }' "${MEMINFO:-/proc/meminfo}"; }

check_ports() {
    # Those of our own nginx are the ones that are wanted.
    if [ -n "$(docker compose ps -q nginx 2>/dev/null)" ]; then return; fi
    for port in 80 443; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            fail "port $port is taken by another program: stop it, and run this again"
        fi
    done
}

choose_names() {
    [ -n "$domain" ] || domain=${LITELLM_DOMAIN:-$(kept LITELLM_DOMAIN)}
    if [ -z "$domain" ] && [ -t 0 ]; then
        read -rp "The name of this server, such as llm.example.com (empty: $(hostname)): " domain
    fi
    if [ -z "$domain" ]; then
        domain=$(hostname)
        self_signed=1
        say "No name is given: this host's own, $domain, is served with a self-signed certificate."
    fi
    domain=$(printf '%s' "$domain" | tr 'A-Z ' 'a-z,')
    local name
    for name in ${domain//,/ }; do
        [[ $name =~ ^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$ ]] || fail "--domain: $name is no name of a host"
    done
    first=${domain%%,*}
}

points_here() {
    local found here
    found=$(getent ahosts "$1" | awk '{ print $1 }' | sort -u) || return 1
    here=" $(hostname -I 2>/dev/null || true) ${PUBLIC_ADDRESS:-} "
    for address in $found; do
        case $here in *" $address "*) return 0 ;; esac
    done
    return 1
}

write_settings() {
    keep LITELLM_DOMAIN "$domain"
    keep SERVER_NAMES "${domain//,/ }"
    keep PROXY_BASE_URL "https://$first"
    keep COMPOSE_FILE compose.yaml:compose.production.yaml
    local memory=2048 total
    total=$(memory_mb)
    [ "$total" -lt 7000 ] || memory=$((total - 992 - 768))
    [ -n "$(kept OLLAMA_MEMORY)" ] || keep OLLAMA_MEMORY "${memory}m"
    ollama_mb=$(kept OLLAMA_MEMORY) && ollama_mb=${ollama_mb:-${memory}m} && ollama_mb=${ollama_mb%m}
    say "This host has $total MB of memory; Ollama may use $ollama_mb MB of them."
    [ "$total" -ge 3600 ] || say "WARNING: less than 4 GB of memory: the services' limits add up to 3 GB."
}

# nginx runs as the user 101, who must be able to read the key.
own() { [ "$(id -u)" != 0 ] || chown -R 101:101 certificates; chmod 0755 certificates; chmod 0644 certificates/fullchain.pem; }

place_certificates() {
    run mkdir -p certificates acme
    run chmod 0755 acme certificates
    if [ -n "$certificate" ]; then
        run cp "$certificate" certificates/fullchain.pem
        run cp "$key" certificates/privkey.pem
        say "Certificate: the given one."
    elif [ ! -s certificates/fullchain.pem ]; then
        local names="DNS:${domain//,/,DNS:}"
        run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 \
            -keyout certificates/privkey.pem -out certificates/fullchain.pem -subj "/CN=$first" \
            -addext "subjectAltName=$names" 2>/dev/null || fail "openssl can't make a certificate: is it installed?"
        say "Certificate: self-signed, until Let's Encrypt has given one. Browsers warn of it."
    else
        say "Certificate: the one that is there."
    fi
    if [ "$dry" = 0 ]; then own; fi
    if [ "$(id -u)" != 0 ] && [ "$dry" = 0 ]; then
        chmod 0644 certificates/privkey.pem
        say "WARNING: not run as root, so that the key can be read by every user of this host. Run: sudo chown -R 101:101 infra/certificates"
    fi
}

ask_lets_encrypt() {
    if [ -n "$certificate" ] || [ "$self_signed" = 1 ]; then return; fi
    local name words=()
    for name in ${domain//,/ }; do
        if ! points_here "$name"; then
            say "Let's Encrypt is not asked: $name does not lead to this host. Set its DNS record, and run this again"
            say "(behind an address translation: PUBLIC_ADDRESS=203.0.113.7 ./scripts/setup.sh)."
            return 0
        fi
        words+=(-d "$name")
    done
    if [ -n "$email" ]; then words+=(--email "$email"); else words+=(--register-unsafely-without-email); fi
    run docker run --rm -v "$PWD/acme:/acme" -v "$PWD/letsencrypt:/etc/letsencrypt" docker.io/certbot/certbot:v5.1.0 \
        certonly --webroot -w /acme --cert-name switchgear --agree-tos --non-interactive --keep-until-expiring "${words[@]}" \
        || fail "Let's Encrypt gave no certificate: its words are above. The self-signed one is served meanwhile."
    run cp -L letsencrypt/live/switchgear/fullchain.pem letsencrypt/live/switchgear/privkey.pem certificates/
    if [ "$dry" = 0 ]; then own; fi
    run docker compose exec -T nginx nginx -c /run/switchgear/nginx.conf -s reload
    say "Certificate: Let's Encrypt's. Renew it by a daily cron line: cd $PWD && ./scripts/setup.sh"
}

# name, MB on disk, MB of memory while it runs
models='llama3.2:1b 1300 1800
phi3 2200 3500
codellama 3800 5200
mistral 4100 5500
llama3 4700 6100'

offer_models() {
    local name disk memory note
    say "Local models (docker exec litellm-ollama ollama pull NAME):"
    while read -r name disk memory; do
        note=fits
        [ "$memory" -le "$ollama_mb" ] || note="needs $memory MB, and Ollama may use $ollama_mb MB (OLLAMA_MEMORY in infra/.env)"
        printf '  %-12s %5s MB on disk, %5s MB of memory: %s\n' "$name" "$disk" "$memory" "$note"
    done <<<"$models"
    if [ -z "$model" ] && [ -t 0 ] && [ "$dry" = 0 ]; then
        read -rp "Download which one now? (llama3.2:1b; - for none): " model
        model=${model:-llama3.2:1b}
    fi
    case $model in
    '' | -) ;;
    *) run docker exec litellm-ollama ollama pull "$model" ;;
    esac
}

wait_until_healthy() {
    if [ "$dry" = 1 ]; then return; fi
    local ends=$((SECONDS + ${HEALTH_S:-300}))
    until docker compose exec -T litellm switchgear health >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$ends" ] || fail "the gateway is not ready after ${HEALTH_S:-300} s: docker compose logs litellm"
        sleep 2
    done
}

check_docker
choose_names
check_ports
write_settings
place_certificates
export COMPOSE_FILE=compose.yaml:compose.production.yaml
run docker compose up -d || fail "docker compose up failed: its words are above"
wait_until_healthy
ask_lets_encrypt
offer_models

say ""
say "The gateway is at  https://$first/ui  and  https://$first/v1"
say "The admin's key:   docker compose exec litellm switchgear key     (in $PWD)"
say "Sign in as admin with that key, or set up Microsoft 365: docs/sso.md. The redirect address is https://$first/sso/callback"
