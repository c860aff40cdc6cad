# Sourced by the checks: goes to the root (the first argument, default: the repository's) and lists files.
set -euo pipefail
export LC_ALL=C
checks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$checks/../..}"

# files PATTERN: the repository's files, new ones too, whose path matches the extended regular expression.
files() {
    if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
        git ls-files --cached --others --exclude-standard
    else
        find . -type f -not -path './build/*' -not -path './.git/*' | sed 's|^\./||'
    fi | sort -u | { grep -E "$1" || true; } | while read -r file; do
        if [ -f "$file" ]; then echo "$file"; fi
    done
}

found=0
# complain FILE:LINE MESSAGE
complain() {
    echo "$1: $2"
    found=1
}
