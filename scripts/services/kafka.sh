#!/usr/bin/env bash
# Apache Kafka 4, one node that is broker and controller, from Maven's jars.
service=kafka
dsn_variable=ACTIVITYLOG_TEST_KAFKA_BROKERS
. "$(dirname "$0")/lib.sh"
port="$(port port "${ACTIVITYLOG_SERVICES_KAFKA_PORT:-}")"
controller="$(port controller-port "${ACTIVITYLOG_SERVICES_KAFKA_CONTROLLER_PORT:-}")"
heap="${ACTIVITYLOG_SERVICES_KAFKA_HEAP:-384m}"

dsn() { echo "127.0.0.1:$port"; }

install_server() { once SHA256SUMS jars; }

healthy() { port_open "$port"; }

configure() {
  sed -e "s|@DATA@|$home/data|g" -e "s|@PORT@|$port|g" -e "s|@CONTROLLER@|$controller|g" "$here/kafka/server.properties" >"$home/server.properties"
}

start_server() {
  local java=(java "-Xmx$heap" "${java_options[@]}" "-Dlog4j2.configurationFile=file://$here/kafka/log4j2.yaml" -cp "$installed/lib/*")
  configure
  if [ ! -f "$home/data/meta.properties" ]; then
    "${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t MkU3OEVBNTcwNTJENDM2Qg -c "$home/server.properties" >"$log" 2>&1 ||
      { tail -n 20 "$log" >&2; die "formatting the data folder failed"; }
  fi
  start 90 healthy "${java[@]}" kafka.Kafka "$home/server.properties"
}

stop_server() { stop TERM 30; }

main "$@"
