#!/bin/sh
# The commands of the image. Node replaces this shell, so that signals reach it.
case "${1:-}" in
gateway) exec node --max-semi-space-size=2 /app/gateway/main.ts ;;
publisher) exec node /app/publisher/main.ts ;;
operator) exec node /app/operator/main.ts ;;
standalone) exec node --max-semi-space-size=2 /app/standalone/main.ts ;;
*)
	echo "barrage: no command '${1:-}': use gateway, publisher, operator or standalone" >&2
	exit 2
	;;
esac
