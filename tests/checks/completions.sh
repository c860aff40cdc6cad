#!/bin/bash
# completions.sh BINARY [SHELL...]: bash, zsh and fish themselves complete what the program's tables say.
set -euo pipefail
binary=$(readlink -f "$1")
shift
shells=(bash zsh fish)
[ $# -eq 0 ] || shells=("$@")
for shell in "${shells[@]}"; do
    command -v "$shell" >/dev/null || { echo "there is no $shell: tests/run checks installs it" >&2; exit 1; }
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/files" "$dir/home"
cd "$dir/files"
touch 'with a space.yaml' with-none.yaml other
for shell in "${shells[@]}"; do "$binary" completion "$shell" >"$dir/$shell"; done
export HOME=$dir/home XDG_CONFIG_HOME=$dir/home XDG_DATA_HOME=$dir/home TERM=dumb

# Each prints what the shell offers for the last word of a line, one a line.
offers_bash() {
    bash --norc -c '
        source "$1"
        line=${2//=/ = }
        [[ $line == *" " && $2 == *= ]] && line=${line% }
        read -ra COMP_WORDS <<<"$line"
        case $2 in *" " | *=) [[ $2 == *= ]] || COMP_WORDS+=("") ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        complete -p maesn-bridge | grep -q -- "-F _maesn_bridge maesn-bridge"
        _maesn_bridge
        [ ${#COMPREPLY[@]} = 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$dir/bash" "$1"
}

offers_fish() { fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$dir/fish" "$1" | cut -f1; }

# zsh completes in its line editor only: one on a terminal of its own is typed to, and tells each match as it is added.
offers_zsh() {
    zsh -f -c '
        zmodload zsh/zpty
        zpty inner zsh -f -i
        say() { zpty -w inner "$1" }
        say "PS1= PS2=; stty -echo; bindkey -e; autoload -Uz compinit; compinit -u -D; source ${(q)1}"
        say "compadd() { local -a hits; builtin compadd -O hits \"\$@\"; print -rl -- \"<\"\${^hits}\">\"; builtin compadd \"\$@\" }"
        say "comppostfuncs=(finish); finish() { print \"<end>\"; exit }; setopt no_list_ambiguous"
        say "print \"<\"ready\">\""
        until zpty -r inner text && [[ $text == *"<ready>"* ]]; do :; done
        zpty -w -n inner "$2"$'"'\t'"'
        while zpty -r inner text; do
            print -r -- "$text"
            [[ $text != *"<end>"* ]] || break
        done' zsh "$dir/zsh" "$1" </dev/null | tr -d '\r' | grep -o '<[^>]*>' | sed 's/^<//; s/>$//; s/\\//g' | grep -vx end
}

failed=0
# expect LINE WORD...: every shell offers exactly these for the line's last word.
expect() {
    local line=$1 shell offered
    shift
    for shell in "${shells[@]}"; do
        # zsh and fish offer files and values with what stands before them in the word.
        offered=$("offers_$shell" "$line" | sed -E 's/^--[a-z]+=//; s/ $//' | grep -v '^$' | LC_ALL=C sort -u || true)
        if [ "$offered" != "$(printf '%s\n' "$@" | LC_ALL=C sort -u)" ]; then
            echo "$shell offers for \"$line\": ${offered//$'\n'/, }; expected: $*" >&2
            failed=1
        fi
    done
}

commands=$("$binary" --help | sed -nE 's/^  ([a-z]+)( [a-z]+)? .*/\1/p' | sort -u)
# shellcheck disable=SC2086
expect 'maesn-bridge ' $commands
expect 'maesn-bridge re' reconciler registry replay
expect 'maesn-bridge topics ' apply plan
expect 'maesn-bridge account l' list
expect 'maesn-bridge topics plan --p' --partitions
expect 'maesn-bridge config reference --f' --format
expect 'maesn-bridge config reference --format ' markdown schema routes-schema accounts-schema topics channels
expect 'maesn-bridge check --output=j' json
expect 'maesn-bridge replay --execute --reason not' not-json not-an-object
expect 'maesn-bridge check --config with' 'with a space.yaml' with-none.yaml
expect 'maesn-bridge account put oth' other
expect 'maesn-bridge completion ' bash zsh fish
expect 'maesn-bridge man ' 1 5
expect 'maesn-bridge dev --rate ' ''
exit "$failed"
