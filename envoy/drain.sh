#!/usr/bin/env bash
# drain.sh [ADMIN [SECONDS [QUIET]]]: stops an Envoy without losing a queued record.
#
# On SIGTERM Envoy exits at once, and the filter's queue is lost with it (the journal still has it).
# So this script first drains the listeners while the filter keeps delivering, then waits until the
# queue is empty, then stops Envoy. In Kubernetes this is the preStop hook; give the pod a
# terminationGracePeriodSeconds a little above SECONDS. Needs bash, curl and awk; if the image has
# none of them, run it in a sidecar.
#
#   ADMIN    the admin interface; default 127.0.0.1:9901
#   SECONDS  maximum wait for requests and queue; default 30
#   QUIET    for how many seconds the queue must stay empty; default 1. The filter reports its
#            queue once every delivery.flush_interval: set more than twice that
#
# Exit status: 0 the queue was empty when Envoy stopped; 1 the time ran out first: replay the journal
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

# Load balancers see this Envoy as unhealthy and send new clients elsewhere.
post healthcheck/fail
post "drain_listeners?graceful"

started=$SECONDS
empty_since=-1
left=1
queued=unknown
while ((SECONDS - started < limit)); do
    requests=$(gauge 'http\.[^.]*\.downstream_rq_active$')
    queued=$(gauge 'gatelog\.queue_records$')
    # The admin interface counts this query itself as an active request.
    if ((requests <= 1 && queued == 0)); then
        ((empty_since >= 0)) || empty_since=$SECONDS
        # One more, because SECONDS is in whole seconds.
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
