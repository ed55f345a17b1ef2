#!/usr/bin/env bash
# PostgreSQL 15, the Debian package, in a folder of its own, never as root.
service=postgres
dsn_variable=ACTIVITYLOG_TEST_POSTGRES_DSN
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_POSTGRES_PORT:-}")"

dsn() { echo "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"; }

bin() { find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1; }

install_server() {
  [ -z "$(bin)" ] || return 0
  # Without it the package would start a server of its own.
  if is_root; then
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  fi
  apt postgresql-15
}

healthy() { "$(bin)/pg_isready" -q -U postgres -h 127.0.0.1 -p "$port"; }

start_server() {
  ! is_root || chown "$run_as" "$home"
  if [ ! -f "$home/data/PG_VERSION" ]; then
    (cd "$home" && "${unprivileged[@]}" "$(bin)/initdb" -D "$home/data" -U postgres -A trust --no-sync --locale=C.UTF-8 -E UTF8) >"$log" 2>&1 ||
      { tail -n 20 "$log" >&2; die "initdb failed"; }
  fi
  # What a killed server leaves. Nothing of it runs any more; its process id may
  # be a zombie's or somebody else's by now, and would be taken for a server.
  rm -f "$home/data/postmaster.pid"
  # fsync is on (the default): tests kill this server. No socket: its path could be too long.
  start 60 healthy "${unprivileged[@]}" "$(bin)/postgres" -D "$home/data" -p "$port" -k "" -c listen_addresses=127.0.0.1 \
    -c shared_buffers=128MB -c max_connections=200 -c max_wal_size=512MB -c jit=off
}

stop_server() { stop INT 20; }

main "$@"
