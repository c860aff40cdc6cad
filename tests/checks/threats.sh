#!/bin/bash
# threats.sh [ROOT]: each test that the threat model in SECURITY.md names exists, and each threat names one.
. "$(dirname "$0")/files.sh"

declare -A tests
while read -r name; do
    tests[$name]=1
done < <(files '^tests/.*\.(c|py)$' | xargs -r grep -hoE '^(def test_|static void )\w+' | sed -E 's/^(def test_|static void )//')
threats=0
while IFS='|' read -r line threat named; do
    threats=$((threats + 1))
    [[ $named == *\`* ]] || complain "SECURITY.md:$line" "no test stands against:$threat"
    for name in $(grep -oP '`\K[a-z0-9_]+(?=`)' <<<"$named"); do
        [ -n "${tests[$name]:-}" ] || complain "SECURITY.md:$line" "there is no test $name"
    done
done < <(awk -F'|' '/^## /{inside = /^## Threat model/} inside && /^\| / && !/^\| (threat|---)/ {print NR "|" $2 "|" $4}' SECURITY.md)
[ "$threats" -gt 0 ] || complain SECURITY.md:1 "there is no threat"
exit $found
