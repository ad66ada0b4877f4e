#!/bin/sh
# The commands of the image. Node replaces this shell, so that signals reach it.
command=${1:-}
[ $# -gt 0 ] && shift
case "$command" in
gateway) exec node --max-semi-space-size=4 /app/gateway/main.ts "$@" ;;
publisher) exec node /app/publisher/main.ts "$@" ;;
operator) exec node /app/operator/main.ts "$@" ;;
standalone) exec node --max-semi-space-size=4 /app/standalone/main.ts "$@" ;;
trial) exec node /app/client/trial/main.ts "$@" ;;
-h | --help) echo "Usage: barrage gateway | publisher | operator | standalone | trial, each with --help" ;;
*)
	echo "barrage: no command '$command': use gateway, publisher, operator, standalone or trial" >&2
	exit 2
	;;
esac
