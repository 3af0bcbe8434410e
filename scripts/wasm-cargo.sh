#!/usr/bin/env bash
# wasm-cargo.sh TARGET COMMAND [ARGUMENT...]: cargo for a wasm target, with the toolchain that
# scripts/wasm-toolchain.sh chose. Prints what cargo prints.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

target=$1 command=$2
shift 2
case $(cat .tools/wasm-toolchain 2>/dev/null) in
    rustup) exec cargo "$command" --target "$target" "$@" ;;
    debian)
        # The distribution's compiler has a different version from the one on PATH: a separate
        # target directory keeps the two from invalidating each other's builds.
        flags="-C linker=wasm-ld-22"
        [[ $target == wasm32-wasip1 ]] && flags+=" -C link-self-contained=no -L native=/usr/lib/wasm32-wasi"
        export PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags"
        export CARGO_TARGET_DIR=target/debian
        exec /usr/bin/cargo "$command" --target "$target" -Zbuild-std=std,panic_abort "$@"
        ;;
    *) fail "no wasm toolchain is set up" "run: make tools" ;;
esac
