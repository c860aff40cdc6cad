#!/bin/bash
# format.sh [ROOT]: the layout of every C file is clang-format 14's. Another version lays out a little differently, so
# without this one nothing can be said, which is a failure.
. "$(dirname "$0")/files.sh"

for formatter in clang-format-14 clang-format ''; do
    [ -n "$formatter" ] || { echo 'clang-format 14 is not installed: tests/run checks installs it'; exit 1; }
    if command -v "$formatter" >/dev/null && "$formatter" --version | grep -q ' version 14\.'; then break; fi
done
mapfile -t sources < <(files '\.(c|h)$')
"$formatter" --dry-run -Werror --style=file "${sources[@]}" 2>&1 || found=1
[ $found = 0 ] || echo "run: $formatter -i on these files"
exit $found
