#!/bin/bash
# layers.sh [ROOT]: every include in bridge/ goes along an arrow of layers.txt.
. "$(dirname "$0")/files.sh"

declare -A folders libraries
while IFS='|' read -r folder uses headers; do
    folder=${folder// /}
    case $folder in '' | \#*) continue ;; esac
    folders[$folder]=$uses
    libraries[$folder]=$headers
done <"$checks/layers.txt"

# allows FOLDER FILE HEADER: whether a library's header may be included there
allows() {
    local rule
    set -f
    for rule in ${libraries[$1]}; do
        # The rule is a pattern; what is behind its @ is the only file.
        if [[ $3 == ${rule%@*} && ($rule != *@* || $2 == "${rule#*@}") ]]; then
            set +f
            return 0
        fi
    done
    set +f
    return 1
}

is_libc() {
    case $1 in
    sys/* | netinet/* | arpa/* | net/* | linux/*) return 0 ;;
    assert.h | ctype.h | dirent.h | endian.h | errno.h | fcntl.h | fnmatch.h | ftw.h | getopt.h | glob.h | ifaddrs.h) return 0 ;;
    inttypes.h | langinfo.h | libgen.h | limits.h | locale.h | malloc.h | math.h | netdb.h | poll.h) return 0 ;;
    pthread.h | pwd.h | regex.h | sched.h | search.h | semaphore.h | setjmp.h | signal.h | spawn.h | std*.h | string.h) return 0 ;;
    strings.h | sysexits.h | syslog.h | termios.h | threads.h | time.h | uchar.h | unistd.h | wchar.h | float.h) return 0 ;;
    esac
    return 1
}

while IFS=: read -r file line include; do
    folder=${file#bridge/}
    folder=${folder%%/*}
    if [ -z "${folders[$folder]+set}" ]; then
        complain "$file:$line" "the folder $folder has no row in tests/checks/layers.txt"
        continue
    fi
    target=$(sed -E 's/^[^<"]*[<"]([^>"]*)[>"].*/\1/' <<<"$include")
    case $include in
    *\"bridge/*)
        used=${target#bridge/}
        used=${used%%/*}
        [[ $used == "$folder" || " ${folders[$folder]} " == *" $used "* || ${folders[$folder]// /} == '*' ]] ||
            complain "$file:$line" "$folder may not use $used"
        ;;
    *\"*) complain "$file:$line" "\"$target\" is not rooted: write \"bridge/FOLDER/FILE\"" ;;
    *)
        is_libc "$target" || allows "$folder" "$(basename "$file")" "$target" ||
            complain "$file:$line" "<$target> may not be included here"
        ;;
    esac
done < <(files '^bridge/.*\.(c|h|def)$' | xargs -r grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]')
exit $found
