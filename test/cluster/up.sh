#!/usr/bin/env bash
# Start a cluster: up.sh [pods] [kwok]
#   (nothing)  etcd, API server, controllers and scheduler on 127.0.0.1; needs no root
#   pods       the same and a real node, in namespaces of their own; needs root
#   kwok       also kwok, which plays the nodes annotated kwok.x-k8s.io/node=fake
# It returns when the API server is ready (with pods: when the node is).
# The kubeconfig is $RUN/kubeconfig. Stop it with down.sh.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. ./parts.sh
[ ! -e "$RUN" ] || { echo "$RUN exists: run down.sh first" >&2; exit 1; }
mkdir -p -m 700 "$RUN"
mkdir "$RUN/log"
trap '[ $? = 0 ] || { tail -n 5 "$RUN"/log/*.log 2>/dev/null || true; ./down.sh; } >&2' EXIT

if [[ " $* " = *" pods "* ]]; then
	lock_network
	(
		enter_cgroup
		exec setsid unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child ./node.sh "$@"
	) >"$RUN/log/node.log" 2>&1 </dev/null &
	started=($!)
	echo $! >"$RUN/pids"
	until_ok 20 test -e "$RUN/namespaced"
	read -r init _ <<<"$(cat /proc/$!/task/$!/children)" # node.sh, in its namespaces
	echo "$init" >>"$RUN/pids"
	link_network "$init"
	until_ok 240 test -e "$RUN/ready"
else
	controllers='*'
	# Simulated pods have loopback's addresses, which no endpoint may have: these would try again for ever.
	[[ " $* " != *" kwok "* ]] || controllers+=,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller
	start_control_plane 127.0.0.1 "$controllers"
	[[ " $* " != *" kwok "* ]] || start_kwok
fi
