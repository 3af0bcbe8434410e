#!/usr/bin/env bash
# Builds the filter: target/gatelog.wasm, touched only when its content changed. With
# `--features trap`: target/gatelog-trap.wasm, which traps on request, for tests.
set -euo pipefail
cd "$(dirname "$0")/.."

artifact=target/gatelog.wasm
[[ ${2:-} == trap ]] && artifact=target/gatelog-trap.wasm
scripts/wasm-cargo.sh wasm32-wasip1 build --profile wasm --package gatelog "$@"
built=target/wasm32-wasip1/wasm/gatelog.wasm
[[ $(cat .tools/wasm-toolchain) == debian ]] && built=target/debian/wasm32-wasip1/wasm/gatelog.wasm

# What it exports and which hostcalls it can make is decided after the linker.
cargo run --quiet --package gatelog-postlink -- "$built" "$artifact.new"
cmp -s "$artifact.new" "$artifact" || cp "$artifact.new" "$artifact"
rm "$artifact.new"
printf '%s: %s bytes\n' "$artifact" "$(stat -c %s "$artifact")"
