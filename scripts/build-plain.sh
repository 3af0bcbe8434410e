#!/usr/bin/env bash
# Builds the baseline filter of the benchmark: target/plain.wasm.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=target/plain
scripts/wasm-cargo.sh wasm32-wasip1 build --release --locked --manifest-path tests/plain/Cargo.toml
[[ $(cat .tools/wasm-toolchain) == debian ]] && CARGO_TARGET_DIR=target/debian
cp "$CARGO_TARGET_DIR/wasm32-wasip1/release/gatelog_plain.wasm" target/plain.wasm
