"""report.py SUMMARY: of gcovr's JSON summary the lines and branches by folder, of the cores, and of everything.

Nothing is asked of the numbers yet. What only the end-to-end tests run, which use the release binary, counts as not run: most of
bridge/app and bridge/cli. Branches for memory that is short count, whether or not a test takes them.
"""

import json
import sys
from fnmatch import fnmatch

CORES = {
    "verify": ["bridge/providers/maesn/maesn.c", "bridge/providers/moneybird/moneybird.c", "bridge/providers/moneybird/signature.c"],
    "ids": ["bridge/domain/envelope.c", "bridge/domain/publication.c"],
    "sealing": ["bridge/registry/sealed.c"],
    "plan": ["bridge/reconciler/plan*.c"],
    "spool": ["bridge/spool/spool*.c", "bridge/spool/drain.c", "bridge/spool/backlog.c"],
}


def line(name, files):
    of = {key: sum(file[key] for file in files) for key in ("line_covered", "line_total", "branch_covered", "branch_total")}
    return (
        f"{name:20} lines {100 * of['line_covered'] / of['line_total']:5.1f} % of {of['line_total']:5}"
        f"  branches {100 * of['branch_covered'] / max(1, of['branch_total']):5.1f} % of {of['branch_total']:5}"
    )


def main(summary):
    with open(summary, encoding="utf-8") as f:
        files = json.load(f)["files"]
    for folder in sorted({"/".join(file["filename"].split("/")[:2]) for file in files}):
        print(line(folder, [file for file in files if file["filename"] == folder or file["filename"].startswith(folder + "/")]))
    for core, patterns in CORES.items():
        meant = [file for file in files if any(fnmatch(file["filename"], pattern) for pattern in patterns)]
        print(line(core, meant))
        for file in meant:
            if file["branch_covered"] < file["branch_total"]:
                print(f"  {file['branch_total'] - file['branch_covered']:4} branches of {file['filename']} are not taken")
    print(line("everything", files))


main(sys.argv[1])
