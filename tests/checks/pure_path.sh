#!/bin/bash
# pure_path.sh PROGRAM [--write]: what tests/bench/pure_path.c does with a callback takes at most 2 % more instructions than
# tests/bench/pure_path.ceilings says; --write makes the counts of now the ceilings.
#
# Counted by callgrind, so neither the machine's load nor its processor matters: valgrind shows a program the same one on
# every machine with AVX2, without AVX-512 and SHA instructions. Two counts a case: of the program's own code, and with
# its libraries'. Another compiler or library counts otherwise: then a third more is let pass, which still finds what
# has become slow for good.
set -euo pipefail
export LC_ALL=C
program=$(realpath "$1")
ceilings=$(cd "$(dirname "${BASH_SOURCE[0]}")/../bench" && pwd)/pure_path.ceilings
command -v valgrind >/dev/null || { echo "valgrind is missing" >&2; exit 1; }

times=16 # the program's own
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$work/counts" --dump-line=no --collect-atstart=no \
    --toggle-collect=pure_path_counted --dump-after=pure_path_ended "$program" >"$work/names" 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }

# A profile's lines: the object and function that costs belong to, costs, and calls, whose next line is the callee's cost.
own_and_all() {
    awk -v times=$times -v program="$program" '
        /^ob=/ { id = $0; sub(/^ob=/, "", id); if (split(id, part, " ") > 1) name[part[1]] = substr(id, length(part[1]) + 2); object = part[1] }
        /^cob=/ { id = $0; sub(/^cob=/, "", id); if (split(id, part, " ") > 1) name[part[1]] = substr(id, length(part[1]) + 2) }
        /^calls=/ { getline; next }
        /^[0-9+*-]/ { all += $2; of[object] += $2 }
        END { for (id in of) if (name[id] == program) own = of[id]; printf "%d %d", own / times, all / times }' "$1"
}

versions="gcc $(gcc -dumpversion), glibc $(getconf GNU_LIBC_VERSION | cut -d' ' -f2), \
libcrypto $(pkg-config --modversion libcrypto | cut -d. -f1-2), valgrind $(valgrind --version | sed 's/^valgrind-//; s/\.[^.]*$//')"
n=0
{
    echo "# Instructions a callback: of the program's own code, with its libraries', and the case. Written by"
    echo "# tests/checks/pure_path.sh --write, with:"
    echo "# $versions"
    while read -r case; do
        n=$((n + 1))
        echo "$(own_and_all "$work/counts.$n") $case"
    done <"$work/names"
} >"$work/ceilings"
if [ "${2:-}" = --write ]; then
    cp "$work/ceilings" "$ceilings"
    exit 0
fi

margin=2
if [ "$(sed -n 3p "$ceilings")" != "# $versions" ]; then
    echo "the ceilings are of: $(sed -n '3s/^# //p' "$ceilings"); these are $versions" >&2
    margin=33
fi
# Of each case: its ceilings, then its counts.
awk -v margin=$margin '
    /^#/ { next }
    { case_name = $0; sub(/^[0-9]+ [0-9]+ /, "", case_name) }
    FNR == NR { own[case_name] = $1; all[case_name] = $2; next }
    { seen++; printf "%s: %d instructions, %d with libraries\n", case_name, $1, $2 }
    !(case_name in own) { print "  it has no ceiling"; failed = 1; next }
    $1 > own[case_name] * (1 + margin / 100) { printf "  the ceiling is %d\n", own[case_name]; failed = 1 }
    $2 > all[case_name] * (1 + margin / 100) { printf "  the ceiling is %d with libraries\n", all[case_name]; failed = 1 }
    $1 < own[case_name] * (1 - margin / 100) { printf "  it has become better than %d: --write\n", own[case_name] }
    END { if (seen != length(own)) { print "a case is gone: --write"; failed = 1 }; exit failed }
' "$ceilings" "$work/ceilings"
