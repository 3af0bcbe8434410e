#!/usr/bin/env bash
# Builds an earlier version of gatelog, so that the benchmark can compare it with this one:
#
#   build-before.sh COMMIT wasm        target/before/gatelog.wasm
#   build-before.sh COMMIT collector   target/before/gatelog-collector
#
# The commit is checked out in target/before/checkout. A second run for the same commit does
# nothing. `make bench BENCH_BEFORE=COMMIT` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

(($# == 2)) || fail "usage: build-before.sh COMMIT wasm|collector"
commit=$(git rev-parse --verify --quiet "$1^{commit}") || fail "'$1' is not a commit of this repository"
part=$2
before=$PWD/target/before
checkout=$before/checkout

case $part in
    wasm) artifact=$before/gatelog.wasm ;;
    collector) artifact=$before/gatelog-collector ;;
    *) fail "part \"$part\": must be wasm or collector" ;;
esac
if [[ -e $artifact && "$(cat "$artifact.commit" 2>/dev/null)" == "$commit" ]]; then exit; fi

step "building the $part of $commit"
mkdir -p "$before"
if [[ -d $checkout ]]; then
    git -C "$checkout" checkout --quiet --detach "$commit"
else
    git worktree prune
    git worktree add --quiet --detach "$checkout" "$commit"
    ln -s "$PWD/.tools" "$checkout/.tools"
fi
case $part in
    wasm)
        (cd "$checkout" && scripts/build-wasm.sh)
        cp "$checkout/target/gatelog.wasm" "$artifact"
        ;;
    collector)
        (cd "$checkout" && cargo build --release --package gatelog-collector)
        cp "$checkout/target/release/gatelog-collector" "$artifact"
        ;;
esac
echo "$commit" >"$artifact.commit"
