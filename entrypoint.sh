#!/bin/sh
# The commands of the image. Node replaces this shell, so that signals reach it.
command=${1:-}
[ $# -gt 0 ] && shift
case "$command" in
gateway) exec node --max-semi-space-size=4 /app/gateway.js "$@" ;;
publisher) exec node /app/publisher.js "$@" ;;
operator) exec node /app/operator.js "$@" ;;
standalone)
	# Loopback of a container is of no use to anybody. Without BARRAGE_API_KEYS the process makes a key and prints it.
	export BARRAGE_GATEWAY_HOST="${BARRAGE_GATEWAY_HOST-::}" BARRAGE_PUBLISHER_HOST="${BARRAGE_PUBLISHER_HOST-::}"
	exec node --max-semi-space-size=4 /app/standalone.js "$@"
	;;
trial) exec node /app/trial.js "$@" ;;
-h | --help) echo "Usage: barrage gateway | publisher | operator | standalone | trial, each with --help" ;;
*)
	echo "barrage: no command '$command': use gateway, publisher, operator, standalone or trial" >&2
	exit 2
	;;
esac
