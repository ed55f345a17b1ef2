#!/usr/bin/env bash
# fuzz.sh DURATION: runs every fuzz target in the repository, one after another.
# Little time goes into making a new input smaller: by default that is a minute for each, which is all there is.
set -euo pipefail
duration=$1
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
  package=$(dirname "$file")
  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/^func //' | while read -r target; do
    echo "$package $target"
    # In its folder: the examples are modules of their own.
    (cd "$package" && go test . -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 10x </dev/null)
  done
done
