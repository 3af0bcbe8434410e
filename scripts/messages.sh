# Sourced by the set-up scripts: progress on stdout, failures with their remedy on stderr.
# shellcheck shell=bash

step() { printf '==> %s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# Whether this user can install Debian packages without a password.
can_apt() { [[ $(id -u) == 0 && -f /etc/debian_version ]] && command -v apt-get >/dev/null; }

# debian_packages WHY PACKAGE...: installs them if root on Debian, otherwise prints how to.
debian_packages() {
    local why=$1
    shift
    if ! can_apt; then
        fail "$why" "install it, on Debian or Ubuntu: sudo apt-get install $*" "then run 'make tools' again"
    fi
    step "$why: installing $*"
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 && return
    apt-get update -qq || fail "'apt-get update' failed" "$why; the packages are: $*"
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null ||
        fail "'apt-get install $*' failed" "$why; install the packages by hand and run 'make tools' again"
}

# need_command COMMAND PACKAGE WHAT-FOR
need_command() {
    command -v "$1" >/dev/null || debian_packages "'$1' is missing ($3)" "$2"
}
