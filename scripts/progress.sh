#!/usr/bin/env bash
# progress.sh MESSAGE COMMAND...: runs a long command, says every 10 seconds
# that it still runs, and shows its output only when it fails.
set -euo pipefail
message=$1
shift
log=$(mktemp)
trap 'rm -f "$log"; kill "${ticker:-}" 2>/dev/null || true' EXIT
start=$SECONDS
echo "$message"
(while sleep 10; do echo "  ... $((SECONDS - start)) s: $(tail -n 1 "$log" | cut -c1-120)"; done) &
ticker=$!
if ! "$@" >"$log" 2>&1; then
  cat "$log" >&2
  echo "failed after $((SECONDS - start)) s: $*" >&2
  exit 1
fi
echo "  done in $((SECONDS - start)) s"
