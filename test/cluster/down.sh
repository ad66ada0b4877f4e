#!/usr/bin/env bash
# Stop what up.sh started and remove its state.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. ./parts.sh
! owns_network || unlink_network # while the node still holds the lock
if [ -e "$RUN/pids" ]; then
	tac "$RUN/pids" | while read -r pid; do # at once: the state is removed anyway
		kill -KILL "$pid" 2>/dev/null || true
		while readlink "/proc/$pid/exe" >/dev/null; do sleep 0.05; done # (nor is a zombie waited for)
	done
fi
leave_cgroup
rm -rf "$RUN"
