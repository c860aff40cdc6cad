#!/bin/bash
# reference.sh BINARY: config/REFERENCE.md and the JSON Schemas are what the program prints, and it accepts the example.
# reference.sh --write BINARY writes them anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

write=
if [ "$1" = --write ]; then
  write=1
  shift
fi
binary=$1
failed=0

# same_as FILE ARGUMENT...: FILE is the output of `config reference ARGUMENT...`.
same_as() {
  local file=$1
  shift
  if [ -n "$write" ]; then
    "$binary" config reference "$@" >"$file"
  elif ! "$binary" config reference "$@" | diff -u "$file" -; then
    echo "$file is out of date: tests/checks/reference.sh --write $binary" >&2
    failed=1
  fi
}

same_as config/REFERENCE.md --format markdown
same_as config/bridge.schema.json --format schema
same_as config/routes.schema.json --format routes-schema
same_as config/accounts.schema.json --format accounts-schema
"$binary" check --config config/bridge.yaml || failed=1
exit "$failed"
