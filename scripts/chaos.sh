#!/usr/bin/env bash
# Runs the cases of tests/chaos/ and writes target/chaos/report.json, or with CHAOS_MINUTES
# target/endurance/report.json. `make chaos` and `make endurance` call it.
#
#   chaos.sh [CASE…]     runs all cases, or the given ones
#
# CHAOS_PACE=1      how many times longer every step lasts
# CHAOS_SHELL=wasm  or module: the form of the filter
# CHAOS_MINUTES=0   how long `endurance` runs
#
# The cases mount small disks and drop packets. So they run in their own network and mount
# namespaces, which disappear with the last process in them: as root, or as root of a user
# namespace. Only the failing disk needs real root, and loop devices.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

for command in ip nft unshare cc; do
    command -v "$command" >/dev/null || fail "'$command' is missing" "run: make tools"
done
if unshare --mount --net true 2>/dev/null; then
    apart=(unshare --mount --net)
elif unshare --user --map-root-user --mount --net true 2>/dev/null; then
    apart=(unshare --user --map-root-user --mount --net)
    step "not root: in a user namespace, where disks cannot fail"
else
    fail "neither root nor user namespaces" "run it as root, or allow user namespaces: sysctl user.max_user_namespaces"
fi
exec "${apart[@]}" sh -c 'ip link set lo up && exec "$@"' sh target/debug/gatelog-chaos "$@"
