#!/usr/bin/env bash
# Builds the filter: target/gatelog.wasm, touched only when its content changed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/wasm-cargo.sh wasm32-wasip1 build --profile wasm --package gatelog
built=target/wasm32-wasip1/wasm/gatelog.wasm
[[ $(cat .tools/wasm-toolchain) == debian ]] && built=target/debian/wasm32-wasip1/wasm/gatelog.wasm

# The SDK exports every callback of the ABI; Envoy enters the VM for each that is there.
cargo run --quiet --package gatelog-trim -- "$built" target/gatelog.trimmed.wasm
cmp -s target/gatelog.trimmed.wasm target/gatelog.wasm || cp target/gatelog.trimmed.wasm target/gatelog.wasm
printf 'target/gatelog.wasm: %s bytes\n' "$(stat -c %s target/gatelog.wasm)"
