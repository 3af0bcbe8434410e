#!/usr/bin/env bash
# Finds or installs a compiler with standard libraries for both wasm targets, and writes its name
# to .tools/wasm-toolchain for scripts/wasm-cargo.sh:
#   rustup   the toolchain on PATH has the targets
#   debian   Debian's rustc-web, which builds the standard library from source
# WASM_TOOLCHAIN=rustup|debian forces one; auto (the default) tries them in this order.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

TARGETS=(wasm32-wasip1 wasm32-unknown-unknown)
DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src rust-web-clippy wasi-libc lld-22)

wanted=${WASM_TOOLCHAIN:-auto}
chosen=.tools/wasm-toolchain
mkdir -p .tools

path_has() { [[ -d $(rustc --print target-libdir --target "$1" 2>/dev/null) ]]; }

path_has_all() {
    local target
    for target in "${TARGETS[@]}"; do path_has "$target" || return 1; done
}

rustup_toolchain() {
    path_has_all && return
    command -v rustup >/dev/null || return 1
    step "wasm targets from rustup: ${TARGETS[*]}"
    timeout 300 rustup target add "${TARGETS[@]}" >.tools/rustup.log 2>&1 && path_has_all
}

debian_has_all() {
    [[ -x /usr/bin/cargo && -x /usr/bin/cargo-clippy && -x /usr/bin/wasm-ld-22 && -d /usr/lib/wasm32-wasi ]] &&
        [[ -d $(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/std ]]
}

debian_toolchain() {
    debian_has_all ||
        debian_packages "no wasm standard library from rustup: Debian's toolchain builds it" "${DEBIAN_PACKAGES[@]}"
    debian_has_all || fail "Debian's wasm toolchain is incomplete" "the packages are: ${DEBIAN_PACKAGES[*]}"
}

case $wanted in
    auto)
        if path_has_all; then
            wanted=rustup
        elif [[ "$(cat $chosen 2>/dev/null)" == debian ]] && debian_has_all; then
            wanted=debian # rustup was tried before
        elif rustup_toolchain; then
            wanted=rustup
        else
            debian_toolchain && wanted=debian
        fi
        ;;
    rustup)
        rustup_toolchain || fail "no wasm targets from rustup" "try: rustup target add ${TARGETS[*]}" \
            "or let Debian's toolchain build them: WASM_TOOLCHAIN=debian make tools"
        ;;
    debian) debian_toolchain ;;
    *) fail "WASM_TOOLCHAIN = \"$wanted\": must be auto, rustup or debian" ;;
esac
[[ "$(cat $chosen 2>/dev/null)" == "$wanted" ]] || step "wasm toolchain: $wanted"
echo "$wanted" >$chosen
