#!/bin/bash
# headers.sh [ROOT]: every header compiles alone, and every x.c includes its x.h before anything else.
. "$(dirname "$0")/files.sh"

for header in $(files '^(bridge|tests)/.*\.h$'); do
    if ! errors=$("${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fsyntax-only -include "$header" -x c \
        /dev/null 2>&1); then
        complain "$header" "does not compile alone"
        echo "$errors" | head -n 5
    fi
    grep -q '^#pragma once' "$header" || complain "$header:1" "#pragma once is missing"
done
for source in $(files '^bridge/.*\.c$'); do
    [ -f "${source%.c}.h" ] || continue
    first=$(grep -nE '^#[[:space:]]*include' "$source" | head -n 1)
    [[ $first == *"\"${source%.c}.h\""* ]] || complain "$source:${first%%:*}" "its own header comes first"
done
exit $found
