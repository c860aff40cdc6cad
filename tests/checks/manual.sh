#!/bin/bash
# manual.sh BINARY: the manual pages are flawless roff, and tell of every command, option, exit code and setting.
set -euo pipefail
binary=$1
for program in mandoc groff; do
    command -v $program >/dev/null || { echo "there is no $program: tests/run checks installs it" >&2; exit 1; }
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
complain() {
    echo "$1" >&2
    failed=1
}

for section in 1 5; do
    page=$dir/page.$section
    "$binary" man $section >"$page"
    mandoc -Tlint "$page" >"$dir/faults" || true
    groff -man -Tutf8 -ww "$page" 2>>"$dir/faults" >/dev/null
    [ ! -s "$dir/faults" ] || complain "maesn-bridge man $section: $(cat "$dir/faults")"
    mandoc -Tascii -O width=1000 "$page" | sed 's/.\x08//g' >"$dir/text.$section"
done

# The part of maesn-bridge(1) that tells of a command.
part() { sed -n "/^   maesn-bridge $1 \[options\]/,/^   maesn-bridge\|^[A-Z]/p" "$dir/text.1"; }

"$binary" --help | sed -nE 's/^  ([a-z]+( [a-z]+)?)  +.*/\1/p' >"$dir/commands"
[ "$(wc -l <"$dir/commands")" -ge 20 ] || complain 'maesn-bridge --help lists fewer than 20 commands'
while read -r command; do
    # shellcheck disable=SC2086
    "$binary" $command --help >"$dir/help"
    part "$command" >"$dir/part"
    for option in $(sed -nE 's/^  (--[a-z-]+).*/\1/p' "$dir/help"); do
        case $option in
        --config | --output | --help) grep -qE -- "^ +$option" "$dir/text.1" ;;
        *) grep -qE -- "^ +$option( |$)" "$dir/part" ;;
        esac || complain "maesn-bridge man: $command: $option is missing"
    done
    for code in $(sed -n '/^Exit codes:/,$s/^  \([0-9]\+\) .*/\1/p' "$dir/help"); do
        grep -qE "^ +$code +[a-z]" "$dir/part" || complain "maesn-bridge man: $command: exit code $code is missing"
    done
done <"$dir/commands"

# shellcheck disable=SC2016
for key in $("$binary" config reference | sed -nE 's/^\| `([a-z0-9_.]+)` .*/\1/p'); do
    grep -qE "^ +$key( |$)" "$dir/text.5" || complain "maesn-bridge man 5: $key is missing"
done
exit "$failed"
