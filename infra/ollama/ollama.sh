#!/bin/bash
# `ollama` inside the serving container, which has no way out: `pull` and `rm` are done by the gateway's door, which
# knows nothing else; every other word goes to the real program.
set -eu
real=/usr/bin/ollama
[ -x "$real" ] || real=/bin/ollama
case ${1:-} in
pull | rm) ;;
*) exec "$real" "$@" ;;
esac
verb=$1
shift
if [ "$#" != 1 ]; then
    echo "Error: name one model: ollama $verb llama3" >&2
    exit 1
fi
part='[A-Za-z0-9][A-Za-z0-9._-]{0,79}'
if [[ ! $1 =~ ^$part(/$part)?(:[A-Za-z0-9._-]{1,64})?$ ]]; then
    echo "Error: '$1' is no name of a model of the library" >&2
    exit 1
fi
if ! exec 3<>"/dev/tcp/${DOOR_HOST:-litellm}/${DOOR_PORT:-11435}"; then
    echo "Error: the gateway's door does not answer: is litellm running?" >&2
    exit 1
fi
printf '%s %s\n' "$verb" "$1" >&3
code=1
while IFS= read -r line <&3; do
    case $line in
    "done") code=0 ;;
    error\ *) echo "Error: ${line#error }" >&2 ;;
    *) printf '%s\n' "$line" ;;
    esac
done
exit "$code"
