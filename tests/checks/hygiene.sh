#!/bin/bash
# hygiene.sh [ROOT]: the repository holds no paths of somebody's machine, no credentials, nothing big or binary.
. "$(dirname "$0")/files.sh"

size_max=262144 # bytes; the largest source is a tenth of it

# Each is a pattern and what is wrong with it.
wrong=(
    '(^|[^[:alnum:]_.}-])/(work|root|home/[a-z]+|Users/[A-Za-z]+)/' 'a path of one machine'
    '/tmp/(wt|tools)/' 'a path of one machine'
    '-----BEGIN ([A-Z]+ )*PRIVATE KEY-----' 'a private key'
    '[a-z]+://[^/@[:space:]"<>{}$]+:[^/@[:space:]"<>{}$]+@' 'a URL with a password'
    '(index-url|registry)[= ]+https?://' 'a package mirror'
)
mapfile -t all < <(files '.')
mapfile -t read_files < <(files '.' | grep -vE '^tests/checks/(hygiene|can_fail)\.sh$')
for ((i = 0; i < ${#wrong[@]}; i += 2)); do
    while IFS=: read -r file line _; do
        complain "$file:$line" "${wrong[i + 1]}"
    done < <(grep -InE -e "${wrong[i]}" /dev/null "${read_files[@]}" || true)
done
for file in "${all[@]}"; do
    size=$(stat -c %s "$file")
    [ "$size" -le $size_max ] || complain "$file" "$size bytes, expected at most $size_max"
    if [ "$size" -gt 0 ] && ! grep -qI . "$file"; then complain "$file" "is binary"; fi
done
exit $found
