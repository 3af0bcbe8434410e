#!/usr/bin/env bash
# Gets the programs that `make bench PARTS=peers` compares with the collector: syslog-ng and
# rsyslog, in the versions of this Debian, into .tools/peers/. The two packages conflict, so neither
# is installed: each is unpacked into its own directory, with the libraries that the machine lacks.
# A second run does nothing.
#
# If they are not available, it prints a message and exits with 0; the benchmark then reports what it
# did not measure.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
# shellcheck source=scripts/messages.sh
. scripts/messages.sh

peers=$root/.tools/peers

# missing PACKAGE...: prints these packages and the dependencies that are not installed.
missing() {
    printf '%s\n' "$@"
    apt-get install --simulate --quiet --quiet --no-install-recommends "$@" | awk '$1 == "Inst" { print $2 }'
}

# unpacked NAME PROGRAM PACKAGE...: unpacks the packages to .tools/peers/NAME.
unpacked() {
    local name=$1 program=$2 stamp
    shift 2
    stamp=$peers/$name.stamp
    [[ -e $stamp && -x $peers/$name/$program ]] && return
    step "$name: unpacking $* into .tools/peers/$name"
    rm -rf "${peers:?}/$name" "$peers/$name.debs" "$stamp"
    mkdir -p "$peers/$name" "$peers/$name.debs"
    local packages
    packages=$(missing "$@" | sort -u) || return 1
    # shellcheck disable=SC2086 # a list of words
    (cd "$peers/$name.debs" && apt-get download --quiet --quiet -o APT::Sandbox::User=root $packages) || return 1
    local deb
    for deb in "$peers/$name.debs"/*.deb; do dpkg -x "$deb" "$peers/$name" || return 1; done
    # The unpacked packages with versions; the benchmark's report names them.
    (cd "$peers/$name.debs" && printf '%s\n' *.deb) >"$stamp"
    rm -rf "$peers/$name.debs"
}

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    step "no apt-get and dpkg here: syslog-ng and rsyslog will not be measured"
    exit 0
fi
unpacked syslog-ng usr/sbin/syslog-ng syslog-ng-core syslog-ng-mod-mongodb ||
    step "syslog-ng cannot be had (try 'apt-get update'): it will not be measured"
unpacked rsyslog usr/sbin/rsyslogd rsyslog rsyslog-mongodb ||
    step "rsyslog cannot be had (try 'apt-get update'): it will not be measured"
