#!/bin/bash
# operations.sh [ROOT]: the runbook tells of every alert and every log event, of no other, and as they are.
. "$(dirname "$0")/files.sh"

runbook=deploy/OPERATIONS.md
alerts=deploy/helm/maesn-bridge/files/alerts.yaml
catalogue=bridge/domain/log_events.def

line_of() { grep -nF -m 1 -- "$1" "$2" | cut -d: -f1; }

# Alerts: a heading each, and its link.
mapfile -t declared < <(sed -nE 's/^ *- alert: (\w+)$/\1/p' "$alerts" | sort)
mapfile -t described < <(sed -nE 's/^### (MaesnBridge\w+)$/\1/p' "$runbook" | sort)
for alert in $(comm -23 <(printf '%s\n' "${declared[@]}") <(printf '%s\n' "${described[@]}")); do
    complain "$alerts:$(line_of "alert: $alert" "$alerts")" "$alert has no heading in $runbook"
done
for alert in $(comm -13 <(printf '%s\n' "${declared[@]}") <(printf '%s\n' "${described[@]}")); do
    complain "$runbook:$(line_of "### $alert" "$runbook")" "there is no alert $alert"
done
for alert in "${described[@]}"; do
    for part in Means 'Look at' Do; do
        sed -n "/^### $alert\$/,/^##/p" "$runbook" | grep -q "^- \*\*$part\*\*: ." ||
            complain "$runbook:$(line_of "### $alert" "$runbook")" "$alert has no \"$part\""
    done
done
for alert in "${declared[@]}"; do
    sed -n "/alert: $alert\$/,/alert:/p" "$alerts" | grep -q "^ *runbook_url: $runbook#${alert,,}\$" ||
        complain "$alerts:$(line_of "alert: $alert" "$alerts")" "$alert has no runbook_url: $runbook#${alert,,}"
done

# Log events: a row each, with the catalogue's level and action, and somebody who logs it.
rows=$(tr '\n' ' ' <"$catalogue" | grep -oP 'L\(\w+, "[^"]+", LOG_\w+, \d+,\s*"[^"]*"\)')
while IFS='~' read -r id name level action; do
    place=$catalogue:$(line_of "\"$name\"" "$catalogue")
    if ! grep -qF "| \`$name\` | ${level,,} | " "$runbook"; then
        complain "$place" "$name, ${level,,}, has no row in $runbook"
    elif ! grep -F "| \`$name\` |" "$runbook" | grep -qF " | $action |"; then
        complain "$runbook:$(line_of "| \`$name\` |" "$runbook")" "$name: expected: $action"
    fi
    grep -rqE "LOG\($id,|LOG_EVENT_$id\b" --include='*.c' bridge || complain "$place" "$name is logged by nobody"
done < <(sed -E 's/^L\((\w+), "([^"]+)", LOG_(\w+), [0-9]+,\s*"(.*)"\)$/\1~\2~\3~\4/' <<<"$rows")
while IFS=: read -r line name; do
    grep -qF "\"$name\"" "$catalogue" || complain "$runbook:$line" "there is no log event $name"
done < <(grep -noP '^\| `\K[a-z]+\.[a-z-]+(?=` \| (error|warn|info|debug) \|)' "$runbook")

# What stands in the alerts and the runbook as a log event is one.
while IFS=: read -r file line name; do
    grep -qF "\"$name\"" "$catalogue" || complain "$file:$line" "there is no log event $name"
done < <(grep -nHoP '\b(account|config|deletes|kafka|partitions?|process|provider|registry|route|sandbox|secret|spool|subscription|tls|watch|webhook)\.[a-z-]+ed\b' "$alerts" "$runbook")

# Links inside the runbook lead to a heading.
anchors=$(sed -nE 's/^##+ (.*)$/\L\1/p' "$runbook" | tr ' ' '-' | tr -cd 'a-z0-9\n-')
while IFS=: read -r line anchor; do
    grep -qx -- "$anchor" <<<"$anchors" || complain "$runbook:$line" "#$anchor leads nowhere"
done < <(grep -noP '\]\(#\K[^)]+' "$runbook")
exit $found
