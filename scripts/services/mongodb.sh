#!/usr/bin/env bash
# SecantusDB: MongoDB's wire protocol over WiredTiger.
service=mongodb
dsn_variable=ACTIVITYLOG_TEST_MONGODB_DSN
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_MONGODB_PORT:-}")"

dsn() { echo "mongodb://root:root@127.0.0.1:$port/?authSource=admin&directConnection=true"; }

install_server() { once requirements.txt python_packages; }

healthy() { port_open "$port"; }

# --sync-on-commit: a commit is on disk before it is answered, tests kill this server.
serve() {
  start 60 healthy "$installed/venv/bin/secantusd-py" --port "$port" --storage-path "$home/data" --log-level WARNING --sync-on-commit "$@"
}

# Its first user is made while it asks for none. With one, tests can see what
# the least roles cannot do.
start_server() {
  if [ ! -e "$home/data/user-made" ]; then
    serve
    "$installed/venv/bin/python" -c "import pymongo
pymongo.MongoClient('127.0.0.1', $port, directConnection=True).admin.command('createUser', 'root', pwd='root', roles=['root'])"
    stop TERM 30
    touch "$home/data/user-made"
  fi
  serve --auth
}

stop_server() { stop TERM 30; }

main "$@"
