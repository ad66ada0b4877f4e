#!/usr/bin/env bash
# hold.sh [pods] [kwok]: up.sh, a line "ready", and down.sh as soon as standard input ends.
# The test holds the other end of that pipe: however it ends, even by SIGKILL, the cluster ends with it.
set -uo pipefail
here=$(dirname "$0")
"$here/up.sh" "$@" </dev/null || exit 1
trap '"$here/down.sh"' EXIT
trap exit INT TERM HUP
trap '' PIPE # the test may be gone by now
echo ready
cat >/dev/null
