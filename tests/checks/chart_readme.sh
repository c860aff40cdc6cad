#!/bin/bash
# chart_readme.sh [ROOT]: the table of values in the chart's README is what values.yaml says; --write makes it anew.
set -euo pipefail
write=
if [ "${1:-}" = --write ]; then
  write=1
  shift
fi
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}/deploy/helm/maesn-bridge"

# values: a row for each value and each map of values that has a comment, behind it or on the lines above it.
values() {
  awk '
    BEGIN { print "| value | default | meaning |\n| --- | --- | --- |" }
    function code(text) { return text == "" ? "" : "`" text "`" }
    /^ *#  / || /^$/ { comment = ""; next }
    /^ *# / { sub(/^ *# /, ""); comment = comment (comment == "" ? "" : " ") $0; next }
    {
      depth = match($0, /[^ ]/) - 1
      sub(/^ */, "")
      if (match($0, / +# .*$/)) { comment = substr($0, RSTART); sub(/^ +# /, "", comment); $0 = substr($0, 1, RSTART - 1) }
      match($0, /: */)
      path[depth] = substr($0, 1, RSTART - 1)
      value = substr($0, RSTART + RLENGTH)
      name = ""
      for (i = 0; i <= depth; i += 2) name = name (i ? "." : "") path[i]
      gsub(/\|/, "\\|", comment)
      if (value != "" || comment != "") print "| " code(name) " | " code(value) " | " comment " |"
      comment = ""
    }' values.yaml
}

# whole: the README with that table.
whole() {
  sed '/^## Values$/q' README.md
  echo
  values
}

if [ -n "$write" ]; then
  made=$(whole)
  printf '%s\n' "$made" >README.md
elif ! whole | diff -u README.md -; then
  echo "deploy/helm/maesn-bridge/README.md is out of date: tests/checks/chart_readme.sh --write" >&2
  exit 1
fi
