#!/usr/bin/env bash
# Makes this host a public server of the gateway: checks it, writes infra/.env, puts certificates in place, brings the
# stack up and waits until nginx serves it. Run it again at any time: what is there is kept.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
./scripts/setup.sh [--domain NAME[,NAME...]] [--email ADDRESS] [--certificate FILE --key FILE]
                   [--model NAME] [--self-signed] [--lets-encrypt] [--dry-run]

Without --domain the names are those of LITELLM_DOMAIN (in the environment or in infra/.env); else they are asked for at
a terminal; else the host's own name is served with a self-signed certificate.

  --domain        the names of this server, the first one is its address
  --email         where Let's Encrypt writes about the certificates
  --certificate   a certificate with its chain, and with --key its key, in place of Let's Encrypt's
  --model         the local model to download, such as llama3.2:1b
  --self-signed   do not ask Let's Encrypt, in this run and in later ones
  --lets-encrypt  ask Let's Encrypt again, after --self-signed or --certificate
  --dry-run       say what would be done, and do nothing

Behind an address translation PUBLIC_ADDRESS in the environment is the address that the names lead to. infra/.env keeps
it, the e-mail address and where the certificate comes from. The exit status is 1 where something failed, and where the
certificate ends soon and was not renewed.
TEXT
}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}
# What failed without ending the run: it is told at the end.
problems=()
problem() { problems+=("$*"); }
run() {
    if [ "$dry" = 1 ]; then say "would run: $*"; else "$@"; fi
}

domain='' email='' certificate='' key='' model='' mode='' dry=0
while [ "$#" -gt 0 ]; do
    case $1 in
    --domain | --email | --certificate | --key | --model)
        [ "$#" -ge 2 ] || fail "$1: expected a value"
        declare "${1#--}=$2"
        shift 2
        ;;
    --self-signed | --lets-encrypt) mode=${1#--} && shift ;;
    --dry-run) dry=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && fail "$1: no such option" ;;
    esac
done
if [ -n "$certificate$key" ]; then
    if [ -z "$certificate" ] || [ -z "$key" ]; then fail "--certificate and --key belong together"; fi
    [ -r "$certificate" ] || fail "--certificate: $certificate can't be read"
    [ -r "$key" ] || fail "--key: $key can't be read"
    mode=given
fi

# The value of a name in .env, empty where it is not there.
# A name's value in .env, without the quotes that compose takes too.
kept() {
    local value
    [ -f .env ] || return 0
    value=$(sed -n "s/^$1=//p" .env | tail -n 1)
    case $value in
    \"*\") value=${value#\"} value=${value%\"} ;;
    \'*\') value=${value#\'} value=${value%\'} ;;
    esac
    printf '%s\n' "$value"
}

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
    if [[ $(docker compose version --short 2>/dev/null || true) =~ ^v?2\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -lt 24 ]; then
        fail "docker compose is older than 2.24, which compose.yaml needs: https://docs.docker.com/compose/install/linux/"
    fi
}

memory_mb() { awk '/^MemTotal:/ { print int($2 / 1024) }' "${MEMINFO:-/proc/meminfo}"; }

# A size as docker understands it (6g, 6144m, 6291456k, bytes) in MB; nothing where it is none.
in_mb() {
    awk -v size="${1,,}" 'BEGIN {
        if (size !~ /^[0-9]+(\.[0-9]+)?([kmg]b?|b)?$/) exit
        unit = size; gsub(/[0-9.b]/, "", unit)
        power["g"] = 1024; power["m"] = 1; power["k"] = 1 / 1024; power[""] = 1 / 1048576
        printf "%d", size * power[unit]
    }'
}

# The MB that are free where docker keeps its volumes.
free_mb() {
    local root
    root=$(docker info -f '{{.DockerRootDir}}' 2>/dev/null) || root=''
    [ -d "$root" ] || root=.
    df -Pm "$root" | awk 'NR == 2 { print $4 }'
}

running=0
check_ports() {
    # Those of our own nginx are the ones that are wanted.
    if [ -n "$(docker compose ps -q nginx 2>/dev/null)" ]; then
        running=1
        return
    fi
    for port in 80 443; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            fail "port $port is taken by another program: stop it, and run this again"
        fi
    done
}

is_name() { [[ $1 =~ ^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$ && $1 == *[a-z]* ]]; }

# The host's own name, or localhost where no client could ask for it (`my_host`).
own_name() {
    local name
    name=$(hostname | tr '[:upper:]' '[:lower:]')
    if is_name "$name"; then say "$name"; else say localhost; fi
}

choose_names() {
    local name own given=1
    own=$(own_name)
    [ -n "$domain" ] || domain=${LITELLM_DOMAIN:-}
    if [ -z "$domain" ]; then
        domain=$(kept LITELLM_DOMAIN)
        given=0
    fi
    if [ -z "$domain" ] && [ -t 0 ]; then
        read -rp "The name of this server, such as llm.example.com (empty: $own): " domain
        [ -z "$domain" ] || given=1
    fi
    if [ -z "$domain" ]; then
        domain=$own
        [ -n "$mode" ] || mode='own-name'
        say "No name is given: this host's own, $domain, is served with a self-signed certificate."
    fi
    domain=$(printf '%s' "$domain" | tr 'A-Z ' 'a-z,' | tr -s , | sed 's/^,//; s/,$//')
    [ -n "$domain" ] || fail "--domain: there is no name in it"
    for name in ${domain//,/ }; do
        is_name "$name" || fail "--domain: $name is no name of a host"
    done
    first=${domain%%,*}
    [ -n "$mode" ] || mode=$(kept CERTIFICATE_MODE)
    # What was chosen for want of a name ends when there is one.
    if [ "$mode" = own-name ] && { [ "$given" = 1 ] || [ "$domain" != "$own" ]; }; then mode=''; fi
    mode=${mode:-lets-encrypt}
    email=${email:-$(kept LETSENCRYPT_EMAIL)}
    public_address=${PUBLIC_ADDRESS:-$(kept PUBLIC_ADDRESS)}
}

points_here() {
    local found here
    found=$(getent ahosts "$1" | awk '{ print $1 }' | sort -u) || return 1
    here=" $(hostname -I 2>/dev/null || true) $public_address "
    for address in $found; do
        case $here in *" $address "*) return 0 ;; esac
    done
    return 1
}

# The compose files of a public server, with those that somebody added.
compose_files() {
    local files each
    files=$(kept COMPOSE_FILE)
    if [[ :$files: != *:compose.production.yaml:* ]]; then
        set -- compose.yaml compose.production.yaml
        for each in ${files//:/ }; do
            case $each in compose.yaml | compose.override.yaml) ;; *) set -- "$@" "$each" ;; esac
        done
        files=$(IFS=: && printf '%s' "$*")
    fi
    say "$files"
}

write_settings() {
    local memory=2048 total size
    total=$(memory_mb)
    # 992 MB are the limits of the other services, 512 MB are the host's own.
    [ "$total" -lt 7000 ] || memory=$((total - 992 - 512))
    size=$(kept OLLAMA_MEMORY)
    ollama_mb=$(in_mb "${size:-${memory}m}")
    [ -n "$ollama_mb" ] || fail "OLLAMA_MEMORY in infra/.env is $size: expected a size such as 6g or 6144m"
    keep LITELLM_DOMAIN "$domain"
    keep SERVER_NAMES "${domain//,/ }"
    keep PROXY_BASE_URL "https://$first"
    keep COMPOSE_FILE "$COMPOSE_FILE"
    keep CERTIFICATE_MODE "$mode"
    [ -z "$email" ] || keep LETSENCRYPT_EMAIL "$email"
    [ -z "$public_address" ] || keep PUBLIC_ADDRESS "$public_address"
    [ -n "$size" ] || keep OLLAMA_MEMORY "${memory}m"
    say "This host has $total MB of memory; Ollama may use $ollama_mb MB of them."
    [ "$total" -ge 3600 ] || say "WARNING: less than 4 GB of memory: the services' limits add up to 3 GB."
}

# The certificate that nginx serves. Everybody may read it; its key is the user's 101, as nginx is in its container.
chain=certificates/fullchain.pem
covers() { openssl x509 -in "$1" -noout -checkhost "$2" 2>/dev/null | grep -q 'does match'; }
covers_all() {
    local name
    for name in ${domain//,/ }; do covers "$1" "$name" || return 1; done
}
is_self_signed() {
    local hashes
    hashes=$(openssl x509 -in "$1" -noout -subject_hash -issuer_hash 2>/dev/null) || return 0
    [ "$(uniq <<<"$hashes" | wc -l)" = 1 ]
}

# Whether a certificate lasts for 20 days more, or for a quarter of its time where that is less.
lasts() {
    local starts ends soon=$((20 * 86400))
    starts=$(date -d "$(openssl x509 -in "$1" -noout -startdate | cut -d= -f2)" +%s)
    ends=$(date -d "$(openssl x509 -in "$1" -noout -enddate | cut -d= -f2)" +%s)
    [ $(((ends - starts) / 4)) -ge "$soon" ] || soon=$(((ends - starts) / 4))
    openssl x509 -in "$1" -noout -checkend "$soon" >/dev/null
}

check_given() {
    [ "$mode" = given ] && [ -n "$certificate" ] || return 0
    local name public
    public=$(openssl x509 -in "$certificate" -noout -pubkey 2>/dev/null) || fail "--certificate: $certificate holds no certificate (PEM)"
    [ "$(openssl pkey -in "$key" -passin pass: -pubout 2>/dev/null)" = "$public" ] \
        || fail "--key: $key is not the key of $certificate (PEM, without a password)"
    openssl x509 -in "$certificate" -noout -checkend 0 >/dev/null || fail "--certificate: $certificate has ended"
    for name in ${domain//,/ }; do
        covers "$certificate" "$name" || fail "--certificate: $certificate is not for $name"
    done
}

# Put FOLDER/CHAIN and FOLDER/KEY where nginx reads them. A container does it, since certbot's files and nginx's key are
# not those of who runs this.
put() {
    local before after image
    before=$(cksum "$chain" 2>/dev/null || true)
    image=$(awk '/^ *image: .*\/nginx:/ { print $2; exit }' compose.yaml)
    run docker run --rm --user 0:0 --network none -v "$PWD/certificates:/certificates" -v "$1:/from:ro" --entrypoint sh "$image" -ec "
        cd /certificates
        cp -L /from/$2 fullchain.pem.new
        cp -L /from/$3 privkey.pem.new
        chown 101:101 . fullchain.pem.new privkey.pem.new
        chmod 0755 .
        chmod 0644 fullchain.pem.new
        chmod 0600 privkey.pem.new
        mv privkey.pem.new privkey.pem
        mv fullchain.pem.new fullchain.pem" || fail "the certificate can't be put into infra/certificates: docker's words are above"
    after=$(cksum "$chain" 2>/dev/null || true)
    if [ "$before" = "$after" ] || [ "$running" = 0 ]; then return; fi
    # nginx reads its certificate when it starts and when it is told to.
    docker compose exec -T nginx nginx -c /run/switchgear/nginx.conf -s reload || docker compose restart nginx \
        || problem "nginx does not read the new certificate: docker compose restart nginx"
}

needs_self_signed() {
    [ -s "$chain" ] || return 0
    if [ "$mode" = given ]; then return 1; fi
    if [ "$mode" = lets-encrypt ] && ! is_self_signed "$chain" && covers "$chain" "$first"; then return 1; fi
    if covers_all "$chain" && lasts "$chain"; then return 1; fi
}

place_certificates() {
    local folder cn=$first
    run mkdir -p -m 0755 certificates acme
    folder=$PWD/certificates.new
    if [ "$dry" = 0 ]; then
        folder=$(mktemp -d "$PWD/certificates.XXXXXX")
        # shellcheck disable=SC2064 # the folder of now
        trap "rm -rf '$folder'" EXIT
    fi
    if [ -n "$certificate" ]; then
        run cp "$certificate" "$folder/fullchain.pem"
        run cp "$key" "$folder/privkey.pem"
        put "$folder" fullchain.pem privkey.pem
        say "Certificate: the given one."
    elif needs_self_signed; then
        [ "${#cn}" -le 64 ] || cn=switchgear # X.509 lets a common name have 64 characters; clients read the SAN
        run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 \
            -keyout "$folder/privkey.pem" -out "$folder/fullchain.pem" -subj "/CN=$cn" \
            -addext "subjectAltName=DNS:${domain//,/,DNS:}" 2>/dev/null || fail "openssl can't make a certificate: is it installed?"
        put "$folder" fullchain.pem privkey.pem
        say "Certificate: self-signed, until Let's Encrypt or you give one. Browsers warn of it."
    else
        say "Certificate: the one that is there."
    fi
}

ask_lets_encrypt() {
    if [ "$mode" != lets-encrypt ]; then
        say "Let's Encrypt is not asked: CERTIFICATE_MODE in infra/.env is $mode. --lets-encrypt asks it."
        return
    fi
    local name words=()
    for name in ${domain//,/ }; do
        if ! points_here "$name"; then
            say "Let's Encrypt is not asked: $name does not lead to this host. Set its DNS record, and run this again"
            say "(behind an address translation: PUBLIC_ADDRESS=203.0.113.7 ./scripts/setup.sh, which is kept)."
            return 0
        fi
        words+=(-d "$name")
    done
    if [ -n "$email" ]; then words+=(--email "$email"); else words+=(--register-unsafely-without-email); fi
    if ! run docker run --rm -v "$PWD/acme:/acme" -v "$PWD/letsencrypt:/etc/letsencrypt" docker.io/certbot/certbot:v5.1.0 \
        certonly --webroot -w /acme --cert-name switchgear --agree-tos --non-interactive --keep-until-expiring \
        --renew-with-new-domains "${words[@]}"; then
        problem "Let's Encrypt gave no certificate: its words are above. The one that is there is served meanwhile."
        return 0
    fi
    running=1
    put "$PWD/letsencrypt" live/switchgear/fullchain.pem live/switchgear/privkey.pem
    say "Certificate: Let's Encrypt's. Renew it by a daily cron line: cd $PWD && ./scripts/setup.sh"
}

check_certificate() {
    if [ "$dry" = 1 ]; then return; fi
    local name
    lasts "$chain" || problem "the certificate ends soon, and was not renewed: $(openssl x509 -in "$chain" -noout -enddate)"
    for name in ${domain//,/ }; do
        covers "$chain" "$name" || problem "the certificate is not for $name"
    done
}

# name, MB on disk, MB of memory while it runs
models='llama3.2:1b 1300 1800
phi3 2200 3500
codellama 3800 5200
mistral 4100 5500
llama3 4700 6100'

offer_models() {
    local name disk memory note free missing=''
    free=$(free_mb)
    say "Local models (docker exec litellm-ollama ollama pull NAME); $free MB of disk are free:"
    while read -r name disk memory; do
        note=fits
        [ "$memory" -le "$ollama_mb" ] || note="needs $memory MB, and Ollama may use $ollama_mb MB (OLLAMA_MEMORY in infra/.env)"
        if [ "$disk" -gt "$free" ]; then
            note="needs $disk MB of disk, and $free MB are free"
            missing="$missing $name "
        fi
        printf '  %-12s %5s MB on disk, %5s MB of memory: %s\n' "$name" "$disk" "$memory" "$note"
    done <<<"$models"
    if [ -z "$model" ] && [ -t 0 ] && [ "$dry" = 0 ]; then
        read -rp "Download which one now? (llama3.2:1b; - for none): " model
        model=${model:-llama3.2:1b}
    fi
    case $model in '' | -) return ;; esac
    if [[ $missing == *" ${model%:latest} "* ]]; then
        problem "$model is not downloaded: the disk has no room for it"
    else
        run docker exec litellm-ollama ollama pull "$model" || problem "$model was not downloaded: ollama's words are above"
    fi
}

# Try a command every two seconds, until SECONDS is at `ends`.
wait_for() {
    local service=$1 what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$ends" ] || fail "$what after ${HEALTH_S:-300} s: docker compose logs $service"
        sleep 2
    done
}

wait_until_served() {
    if [ "$dry" = 1 ]; then return; fi
    local ends=$((SECONDS + ${HEALTH_S:-300}))
    wait_for litellm "the gateway is not ready" docker compose exec -T litellm switchgear health
    wait_for nginx "nginx does not serve https://$first" docker compose exec -T nginx \
        curl -fsSk --noproxy "*" --max-time 10 --resolve "$first:8443:127.0.0.1" "https://$first:8443/health/liveliness"
}

check_docker
choose_names
check_given
COMPOSE_FILE=$(compose_files)
export COMPOSE_FILE
check_ports
write_settings
place_certificates
run docker compose up -d || fail "docker compose up failed: its words are above"
wait_until_served
ask_lets_encrypt
check_certificate

say ""
say "The gateway is at  https://$first/ui  and  https://$first/v1"
say "The admin's key:   docker compose exec litellm switchgear key     (in $PWD)"
say "Sign in as admin with that key, or set up Microsoft 365: docs/sso.md. The redirect address is https://$first/sso/callback"
say ""
offer_models
for each in ${problems[@]+"${problems[@]}"}; do printf 'setup: %s\n' "$each" >&2; done
[ "${#problems[@]}" = 0 ]
