#!/usr/bin/env bash
# The console's pages, crates/console/web: TypeScript to the files in dist/, which are committed so that
# `cargo build` needs no Node. Libraries come from npm, at the versions of package-lock.json, into
# node_modules/ beside it.
#
#   console.sh           check the types and build dist/
#   console.sh --check   check the types, and that dist/ is what a build makes, byte for byte
#   console.sh --test    unit tests, then the tests in a real Chromium; further arguments: files of them
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

web=crates/console/web
tests=tests/console

# libraries DIRECTORY: installs what its package-lock.json names, once.
libraries() {
    local stamp
    stamp=$1/node_modules/.installed-$(cksum <"$1/package-lock.json" | tr ' ' '-')
    [[ -e $stamp ]] && return
    step "libraries of $1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --silent ||
        fail "'npm ci' failed in $1" "check that the npm registry can be reached, then try again"
    touch "$stamp"
}

need_command node nodejs "the console's pages are built with it"
need_command npm npm "the libraries of the console's pages come from its registry"
libraries "$web"

case ${1-} in
'')
    npm run --prefix "$web" --silent check
    node "$web/build.mjs"
    gzip --best --stdout "$web/dist/app.js" | wc -c | xargs printf '%s: %s bytes compressed\n' "$web/dist/app.js"
    ;;
--check)
    npm run --prefix "$web" --silent check
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    node "$web/build.mjs" "$fresh/dist"
    diff --recursive --brief "$fresh/dist" "$web/dist" ||
        fail "$web/dist is not what its sources make" "run 'make console' and commit the result"
    ;;
--test)
    shift
    chromium=${CHROMIUM:-/usr/bin/chromium}
    [[ -x $chromium ]] || debian_packages "'$chromium' is missing (the tests of the console drive it)" chromium
    libraries "$tests"
    npm run --prefix "$web" --silent test
    if (($# == 0)); then set -- "$tests"/*.test.js; fi
    node --test --test-concurrency=1 --test-reporter=spec "$@"
    ;;
*) fail "'$1' is not an option of console.sh" "it is --check, --test, or nothing" ;;
esac
