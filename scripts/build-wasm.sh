#!/usr/bin/env bash
# Builds the filter: target/gatelog.wasm, touched only when its content changed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/wasm-cargo.sh wasm32-wasip1 build --profile wasm --package gatelog
built=target/wasm32-wasip1/wasm/gatelog.wasm
[[ $(cat .tools/wasm-toolchain) == debian ]] && built=target/debian/wasm32-wasip1/wasm/gatelog.wasm

cmp -s "$built" target/gatelog.wasm || cp "$built" target/gatelog.wasm
printf 'target/gatelog.wasm: %s bytes\n' "$(stat -c %s target/gatelog.wasm)"
