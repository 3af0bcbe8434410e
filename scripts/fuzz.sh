#!/usr/bin/env bash
# Fuzzes each target of fuzz/ in turn, and writes target/fuzz/report.json. `make fuzz` calls it.
#
# FUZZ_SECONDS=10      how long each target runs; overnight: FUZZ_SECONDS=1800
# FUZZ_RUNS=0          1000 or more: run that many inputs for each target, derived from the checked-in
#                      corpus with a fixed seed. Two runs still differ: coverage varies with the
#                      seeds of hash maps, and libFuzzer reads a directory in the disk's order
#                      corpus: only the checked-in corpus, every input once; the same each time
# FUZZ_TARGETS="a b"   only these targets
#
# A run adds interesting inputs to target/fuzz/corpus/, in addition to the checked-in corpus; a
# failing input goes to target/fuzz/failures/. The targets are safe code, so they run without a
# sanitizer: on any toolchain, and several times as fast.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

seconds=${FUZZ_SECONDS:-10}
runs=${FUZZ_RUNS:-0}
work=target/fuzz
[[ $runs =~ ^(0|[1-9][0-9]{3,8}|corpus)$ ]] || fail "FUZZ_RUNS is '$runs'" "it must be a whole number of inputs, 1000 or more, or 0, or corpus"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "FUZZ_SECONDS is '$seconds'" "it must be a whole number of seconds"
command -v cargo-fuzz >/dev/null || fail "cargo-fuzz is missing" "run: make tools"

mkdir -p "$work"
step "building the fuzz targets"
cargo fuzz build --fuzz-dir fuzz --sanitizer none --target-dir "$work/build" 2>"$work/build.log" || {
    cat "$work/build.log" >&2
    fail "the fuzz targets do not build"
}
programs=$work/build/$(rustc -vV | sed -n 's/^host: //p')/release
targets=${FUZZ_TARGETS:-$(cargo fuzz list --fuzz-dir fuzz)}

rows=() failed=0
# row NAME VALUE UNIT TARGET PASS
row() {
    rows+=("$(printf '{"name":"%s","value":%s,"unit":"%s","target":"%s","pass":%s}' "$@")")
    printf '%-30s %12s %-10s %-8s %s\n' "$1" "$2" "$3" "$4" "$([[ $5 == true ]] && echo pass || echo FAIL)"
    [[ $5 == true ]] || failed=1
}

for target in $targets; do
    [[ -x $programs/$target ]] || fail "there is no fuzz target '$target'" "the targets are: $(cargo fuzz list --fuzz-dir fuzz | tr '\n' ' ')"
    corpus=$work/corpus/$target failures=$work/failures/$target log=$work/$target.log
    mkdir -p "fuzz/corpus/$target"
    least=1000
    if [[ $runs == corpus ]]; then
        corpus=$work/again/$target bound=(-runs=0) least=$(find "fuzz/corpus/$target" -type f | wc -l)
        rm -rf "$corpus"
    elif ((runs > 0)); then
        corpus=$work/again/$target bound=(-runs="$runs" -seed=1)
        rm -rf "$corpus"
    else
        bound=(-max_total_time="$seconds")
    fi
    mkdir -p "$corpus" "$failures"
    before=$(find "$failures" -type f | wc -l)
    dictionary=()
    case $target in
    record_decode | batch | batch_header | documents | journal) dictionary=(-dict=fuzz/dictionaries/record.dict) ;;
    query) dictionary=(-dict=fuzz/dictionaries/query.dict) ;;
    otlp) dictionary=(-dict=fuzz/dictionaries/otlp.dict) ;;
    esac
    "$programs/$target" "$corpus" "fuzz/corpus/$target" "${bound[@]}" "${dictionary[@]}" -max_len=16384 \
        -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$failures/" -print_final_stats=1 >"$log" 2>&1 && status=0 || status=$?
    found=$(($(find "$failures" -type f | wc -l) - before))
    ((status == 0 || found > 0)) || found=1
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    row "$target: failing inputs" "$found" inputs "0" "$([[ $found == 0 ]] && echo true || echo false)"
    row "$target: inputs tried" "${tried:-0}" inputs ">= $least" "$( ((${tried:-0} >= least)) && echo true || echo false)"
    ((found == 0)) || { tail -n 40 "$log"; printf 'input: %s\nreproduce with: %s %s\n' "$failures" "$programs/$target" "$failures/*"; }
done

machine="$(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), $(uname -sr)"
printf '{"machine":"%s","rows":[%s]}\n' "$machine" "$(IFS=,; printf '%s' "${rows[*]}")" >"$work/report.json"
step "$work/report.json"
exit "$failed"
