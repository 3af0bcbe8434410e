#!/usr/bin/env bash
# drain.sh [ADMIN [SECONDS [QUIET]]]: ends an Envoy without losing a queued record.
#
# Envoy waits for nothing when it gets SIGTERM: what the filter has queued goes with it (the journal
# still has it). So first the listeners drain, with the filter and its deliveries at work, then the
# queue empties, then Envoy ends. In Kubernetes this is the preStop hook; give the pod a
# terminationGracePeriodSeconds a little above SECONDS. Needs bash, curl and awk: beside an image that
# has none, run it in a sidecar.
#
#   ADMIN    the administration interface; default 127.0.0.1:9901
#   SECONDS  longest wait for requests and queue; default 30
#   QUIET    for how many seconds the queue must be seen empty; default 1. The filter reports its
#            queue once every delivery.flush_interval: set more than twice that
#
# Exit status: 0 the queue was empty when Envoy ended, 1 time was up first: replay the journal
# with `gatelog-collector replay FILE`.
set -euo pipefail

admin=${1:-127.0.0.1:9901}
limit=${2:-30}
quiet=${3:-1}

post() { curl --silent --show-error --fail --max-time 5 --request POST "http://$admin/$1" >/dev/null; }

# The sum of all gauges whose names match.
gauge() {
    curl --silent --show-error --fail --max-time 5 --get --data-urlencode "filter=$1" "http://$admin/stats" |
        awk '{ sum += $NF } END { print sum + 0 }'
}

# Load balancers see this Envoy unhealthy and send new clients elsewhere.
post healthcheck/fail
post "drain_listeners?graceful"

started=$SECONDS
empty_since=-1
left=1
queued=unknown
while ((SECONDS - started < limit)); do
    requests=$(gauge 'http\.[^.]*\.downstream_rq_active$')
    queued=$(gauge 'gatelog\.queue_records$')
    # The administration interface counts this very question as its own active request.
    if ((requests <= 1 && queued == 0)); then
        ((empty_since >= 0)) || empty_since=$SECONDS
        # One more, since SECONDS is whole seconds.
        if ((SECONDS - empty_since > quiet)); then
            left=0
            break
        fi
    else
        empty_since=-1
    fi
    sleep 0.2
done

((left == 0)) || printf 'drain.sh: after %ss %s records are still queued\n' "$limit" "$queued" >&2
post quitquitquit
exit "$left"
