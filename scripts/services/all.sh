#!/usr/bin/env bash
# Every test server at once.
#   all.sh up|down|env|status|install|wipe [SERVICE...]
#   all.sh run [SERVICE...] -- COMMAND...   starts what is not there, runs the
#                                           command with the DSNs, and stops
#                                           what it started, however that ends
# See README.md for the variables.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
command="${1:-}"
[ $# -eq 0 ] || shift
services=()
while [ $# -gt 0 ] && [ "$1" != "--" ]; do
  services+=("$1")
  shift
done
[ "${1:-}" != "--" ] || shift
[ ${#services[@]} -gt 0 ] || read -r -a services <<<"${ACTIVITYLOG_SERVICES:-postgres mariadb clickhouse mongodb cassandra kafka}"

# each COMMAND SERVICE...: for all at once, since they mostly wait; fails when one does.
each() {
  local command="$1" service pids=() failed=0
  shift
  for service in "$@"; do
    "$here/$service.sh" "$command" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

print_env() { for service in "${services[@]}"; do "$here/$service.sh" env; done; }

run() {
  [ $# -gt 0 ] || { echo "run: no command after --" >&2; exit 2; }
  local service status=0
  started=()
  for service in "${services[@]}"; do
    if "$here/$service.sh" needed; then started+=("$service"); fi
  done
  trap '[ ${#started[@]} -eq 0 ] || each down "${started[@]}"' EXIT
  trap 'exit 130' INT TERM
  each up "${services[@]}"
  eval "$(print_env)"
  "$@" || status=$?
  exit "$status"
}

case "$command" in
  up | down | install | wipe | status) each "$command" "${services[@]}" ;;
  env) print_env ;;
  run) run "$@" ;;
  *) sed -n '2,7s/^# //p' "$0" >&2; exit 2 ;;
esac
