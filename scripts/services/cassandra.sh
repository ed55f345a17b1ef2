#!/usr/bin/env bash
# Apache Cassandra 5, one node, from Maven's jars.
service=cassandra
dsn_variable=ACTIVITYLOG_TEST_CASSANDRA_DSN
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_CASSANDRA_PORT:-}")"
storage_port="$(port storage-port)"
jmx_port="$(port jmx-port)"
heap="${ACTIVITYLOG_SERVICES_CASSANDRA_HEAP:-512m}"
# It announces 127.0.0.1 wherever it listens, so that a proxy can stand before it.
address="${ACTIVITYLOG_SERVICES_CASSANDRA_LISTEN:-127.0.0.1}"

dsn() { echo "cassandra:cassandra@127.0.0.1:$port"; }

install_server() { once SHA256SUMS jars; }

# The first start makes the user a moment after it listens.
healthy() { port_open "$port" "$address" && grep -q "Created default superuser role" "$log"; }

configure() {
  mkdir -p "$home/conf" "$home/data"
  sed -e "s|@DATA@|$home/data|g" -e "s|@PORT@|$port|g" -e "s|@STORAGE_PORT@|$storage_port|g" -e "s|@ADDRESS@|$address|g" \
    "$here/cassandra/cassandra.yaml" >"$home/conf/cassandra.yaml"
  cp "$here/cassandra/logback.xml" "$home/conf/"
}

start_server() {
  configure
  # The native libraries of other systems are not wanted on the class path.
  local classpath
  classpath="$home/conf:$(find "$installed/lib" -name '*.jar' | grep -vE 'osx|windows|riscv' | tr '\n' ':')"
  cd "$home"
  start 120 healthy java "-Xms$heap" "-Xmx$heap" "${java_options[@]}" @"$here/cassandra/java.args" \
    "-javaagent:$(find "$installed/lib" -name 'jamm-*.jar')" \
    -Dcassandra.superuser_setup_delay_ms=0 -Dcassandra.auth_bcrypt_gensalt_log2_rounds=4 \
    "-Dcassandra.config=file://$home/conf/cassandra.yaml" "-Dcassandra.storagedir=$home/data" \
    "-Dlogback.configurationFile=file://$home/conf/logback.xml" "-Dcassandra.jmx.local.port=$jmx_port" \
    -cp "$classpath" org.apache.cassandra.service.CassandraDaemon
}

stop_server() { stop TERM 30; }

main "$@"
