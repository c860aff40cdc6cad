#!/bin/bash
# banned.sh [ROOT]: no function of banned.txt is called, in tests neither.
. "$(dirname "$0")/files.sh"

sources=$(files '\.(c|h)$')
while read -r names instead; do
    case $names in '' | \#*) continue ;; esac
    while IFS=: read -r file line text; do
        complain "$file:$line" "$(grep -oE "\b($names)\b" <<<"$text" | head -n 1)() is banned: use $instead"
    done < <(
        # Calls only, and not in comments: their lines begin with a star or a slash.
        xargs -r grep -HnE "(^|[^[:alnum:]_.>])($names)[[:space:]]*\(" <<<"$sources" |
            grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/\*|\*|//)' || true
    )
done <"$checks/banned.txt"
exit $found
