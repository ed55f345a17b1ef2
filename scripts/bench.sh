#!/bin/sh
# Runs the benchmarks of the built binaries. BENCH_ROWS is the number of events
# stored before the second half, BENCH_DIR the folder for the stores.
set -eu
rows=${BENCH_ROWS:-1000000}
out=docs/benchmarks/sqlite.md
[ "$rows" -le 1000000 ] || out=docs/benchmarks/sqlite-long.md
exec go run ./test/bench -rows "$rows" -out "$out" "$@"
