#!/bin/bash
# reference.sh BINARY [ROOT]: config/REFERENCE.md, the JSON Schemas, also those in the schema of the chart's values, and the topics
# of the chart and of the contract are what the program prints, and it accepts the example. reference.sh --write BINARY writes
# them anew.
set -euo pipefail

write=
if [ "$1" = --write ]; then
  write=1
  shift
fi
binary=$(readlink -f "$1")
cd "${2:-$(dirname "${BASH_SOURCE[0]}")/../..}"
failed=0

# holds FILE: it is what comes on standard input.
holds() {
  local made
  made=$(cat)
  if [ -n "$write" ]; then
    printf '%s\n' "$made" >"$1"
  elif ! printf '%s\n' "$made" | diff -u "$1" -; then
    echo "$1 is out of date: tests/checks/reference.sh --write $binary" >&2
    failed=1
  fi
}

# same_as FILE FORMAT: FILE is the output of `config reference --format FORMAT`.
same_as() { holds "$1" < <("$binary" config reference --format "$2"); }

# The contract: what stands before the channels and behind their bindings is written by hand.
contract() {
  sed '/^channels:$/,$d' deploy/asyncapi.yaml
  "$binary" config reference --format channels
  echo
  sed -n '/^  messageTraits:$/,$p' deploy/asyncapi.yaml
}

# definition NAME FORMAT: a schema as a part of another. Its dialect goes: what is used of it is the same in draft 7, which Helm 3
# knows.
definition() {
  printf '    "%s": ' "$1"
  "$binary" config reference --format "$2" | sed -e '/^  "\$schema":/d' -e '/^  "title":/d' -e '2,$s/^/    /'
}

# The chart's values: what stands before the definitions is written by hand. Copies, since Helm reads no other file.
values() {
  sed '/^  "definitions": {$/q' deploy/helm/maesn-bridge/values.schema.json
  { definition bridge schema && definition routes routes-schema && definition accounts accounts-schema; } | sed '$!s/^    }$/    },/'
  printf '  }\n}\n'
}

same_as config/REFERENCE.md markdown
same_as config/bridge.schema.json schema
same_as config/routes.schema.json routes-schema
same_as config/accounts.schema.json accounts-schema
same_as deploy/helm/maesn-bridge/files/topics.yaml topics
holds deploy/asyncapi.yaml < <(contract)
holds deploy/helm/maesn-bridge/values.schema.json < <(values)
"$binary" check --config config/bridge.yaml || failed=1
exit "$failed"
