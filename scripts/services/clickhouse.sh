#!/usr/bin/env bash
# ClickHouse's engine (chdb) behind ClickHouse's HTTP interface (facade.py).
service=clickhouse
dsn_variable=ACTIVITYLOG_TEST_CLICKHOUSE_DSN
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_CLICKHOUSE_PORT:-}")"

dsn() { echo "http://default@127.0.0.1:$port/default"; }

install_server() { once requirements.txt python_packages; }

healthy() { curl -sf --max-time 2 "http://127.0.0.1:$port/ping"; }

start_server() {
  export FACADE_ADDRESS="127.0.0.1:$port" FACADE_DATA="$home/data" FACADE_SPOOL="$home/spool"
  rm -rf "$home/spool" # what a killed facade left
  mkdir -p "$home/spool"
  start 60 healthy "$installed/venv/bin/python" "$here/clickhouse/facade.py"
}

stop_server() { stop TERM 20; }

main "$@"
