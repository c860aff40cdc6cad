#!/bin/bash
# mutants.sh [ROOT]: each text that a mutant of the program alters stands where it is looked for, once.
set -euo pipefail
checks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec python3 "$checks/../faults/mutants/make.py" "${1:-$checks/../..}"
