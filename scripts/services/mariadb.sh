#!/usr/bin/env bash
# MariaDB 10.11, the Debian package, in a folder of its own, never as root.
service=mariadb
dsn_variable=ACTIVITYLOG_TEST_MYSQL_DSN
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_MARIADB_PORT:-}")"

dsn() { echo "root@tcp(127.0.0.1:$port)/activitylog"; }

# The -core packages hold the programs and start no service.
install_server() { [ -x /usr/sbin/mariadbd ] && command -v mariadb >/dev/null || apt mariadb-server-core mariadb-client-core; }

client() { mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot --protocol=tcp -e "$1"; }
healthy() { client "create database if not exists activitylog"; }

start_server() {
  ! is_root || chown "$run_as" "$home"
  if [ ! -d "$home/data/mysql" ]; then
    rm -rf "$home/data"
    (cd "$home" && "${unprivileged[@]}" mariadb-install-db --no-defaults --datadir="$home/data" --auth-root-authentication-method=normal --skip-test-db) >"$log" 2>&1 ||
      { tail -n 20 "$log" >&2; die "mariadb-install-db failed"; }
  fi
  # flush-log-at-trx-commit=1: every commit is on disk, tests kill this server.
  # max-allowed-packet as in production advice: a batch of large events is one statement.
  start 60 healthy "${unprivileged[@]}" /usr/sbin/mariadbd --no-defaults --datadir="$home/data" --port="$port" --bind-address=127.0.0.1 \
    --socket="/tmp/activitylog-mariadb-$port.sock" --pid-file="$home/server.pid" --innodb-flush-log-at-trx-commit=1 \
    --innodb-buffer-pool-size=128M --innodb-log-file-size=64M --max-allowed-packet=64M --performance-schema=OFF \
    --character-set-server=utf8mb4 --skip-name-resolve
}

stop_server() { stop TERM 30; }

main "$@"
