#!/usr/bin/env bash
# run.sh COLLECTOR: starts the collector with otelcol-config.yaml, waits until
# it can take events, says how to use it, and stays in the foreground.
set -euo pipefail
collector=$1
data=${ACTIVITYLOG_DATA_DIR:-./data}
events=${ACTIVITYLOG_EVENTS_ENDPOINT:-127.0.0.1:4319}
otlp_http=${ACTIVITYLOG_OTLP_HTTP_ENDPOINT:-127.0.0.1:4318}
otlp_grpc=${ACTIVITYLOG_OTLP_GRPC_ENDPOINT:-127.0.0.1:4317}
api=${ACTIVITYLOG_API_ENDPOINT:-127.0.0.1:8686}
if [ -n "${ACTIVITYLOG_API_TOKEN:-}" ]; then
  token='$ACTIVITYLOG_API_TOKEN'
else
  token="\$(cat $data/api-token)"
fi

"$collector" --config otelcol-config.yaml &
pid=$!
trap 'kill -TERM $pid 2>/dev/null || true' INT TERM
for _ in $(seq 150); do
  kill -0 $pid 2>/dev/null || { wait $pid; exit $?; }
  if curl -fs -o /dev/null --max-time 1 "http://$api/readyz" 2>/dev/null; then
    cat <<EOF

  otelcol-activitylog is ready. Data: $data (Ctrl-C stops it)

  Send an event:
    curl -X POST http://$events/v1/events -H 'Content-Type: application/json' -d '{"kind":"crud","event_type":"update","user_id":"42","content_type":"shop.order","object_id":"1001","before":{"state":"new"},"after":{"state":"paid"}}'

  Read it back:
    curl -H "Authorization: Bearer $token" http://$api/api/activity/crud-events/

  OpenTelemetry SDKs: OTLP/HTTP http://$otlp_http, OTLP/gRPC $otlp_grpc

EOF
    break
  fi
  sleep 0.2
done
status=0
wait $pid || status=$?
# A signal ends the first wait early; the second gives the collector's own status.
if kill -0 $pid 2>/dev/null; then
  status=0
  wait $pid || status=$?
fi
exit $status
