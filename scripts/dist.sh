#!/usr/bin/env bash
# dist.sh VERSION: cross-builds the collector (from the sources that ocb
# generated in build/) and the command line tools, and writes checksums.
set -euo pipefail
version=$1
out=$PWD/dist
rm -rf "$out"
mkdir -p "$out"
for arch in amd64 arm64; do
  echo "linux/$arch"
  export GOOS=linux GOARCH=$arch CGO_ENABLED=0
  (cd build && go build -trimpath -ldflags '-s -w' -o "$out/otelcol-activitylog_${version}_linux_$arch" .)
  for tool in auditctl auditload; do
    go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/${tool}_${version}_linux_$arch" "./cmd/$tool"
  done
done
(cd "$out" && sha256sum otelcol-* audit* >SHA256SUMS && cat SHA256SUMS)
