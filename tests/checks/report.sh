#!/bin/bash
# report.sh [ROOT]: the report on the figures of tests/bench/compare, and what the README shows of it, are what
# tests/bench/report.py makes of these figures; as long as there are none, nothing is shown.
set -euo pipefail
checks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$checks/../bench/report.py" --check "${1:-$checks/../..}"
