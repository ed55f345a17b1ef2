#!/usr/bin/env bash
# SecantusDB: MongoDB's wire protocol over WiredTiger.
service=mongodb
dsn_variable=ACTIVITYLOG_TEST_MONGODB_DSN
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_MONGODB_PORT:-}")"

dsn() { echo "mongodb://127.0.0.1:$port/?directConnection=true"; }

install_server() { once requirements.txt python_packages; }

healthy() { port_open "$port"; }

start_server() {
  # --sync-on-commit: a commit is on disk before it is answered, tests kill this server.
  start 60 healthy "$installed/venv/bin/secantusd-py" --port "$port" --storage-path "$home/data" --log-level WARNING --sync-on-commit
}

stop_server() { stop TERM 30; }

main "$@"
