"""report.py SUMMARY COUNTED: of gcovr's JSON summary the lines and branches by folder, of the cores, and of everything.

Fails where one is below its floor; else RESULT.txt gets what there is, the day, and which tests were COUNTED ("": some failed, and
it is left alone). Branches for memory that is short count like any other.
"""

import datetime
import json
import pathlib
import sys
from fnmatch import fnmatch

from cores import CORES

# The least percentages of lines and of branches, with the unit and integration tests alone.
FLOORS = {
    "verify": (100, 100),
    "ids": (99, 100),
    "sealing": (100, 100),
    "plan": (99, 100),
    "spool": (99, 99),
    "everything": (72, 68),
}

RESULT = pathlib.Path(__file__).with_name("RESULT.txt")


class Count:
    """What was reached, and how much there is, of some files."""

    def __init__(self, name, files):
        self.name = name
        self.files = files
        self.lines = self.total("line")
        self.branches = self.total("branch")

    def total(self, kind):
        return sum(file[f"{kind}_covered"] for file in self.files), sum(file[f"{kind}_total"] for file in self.files)

    def __str__(self):
        texts = [f"{100 * covered / max(1, total):5.1f} % of {total:5}" for covered, total in (self.lines, self.branches)]
        return f"{self.name:20} lines {texts[0]}  branches {texts[1]}"

    def below_its_floor(self):
        floors = zip(("lines", "branches"), (self.lines, self.branches), FLOORS.get(self.name, (0, 0)))
        return [f"{self.name}: {100 * covered / max(1, total):.1f} % of the {kind}, expected {floor} % at least"
                for kind, (covered, total), floor in floors if not total or 100 * covered < floor * total]


def main(summary, counted):
    with open(summary, encoding="utf-8") as f:
        files = json.load(f)["files"]
    folders = sorted({"/".join(file["filename"].split("/")[:2]) for file in files})
    counts = [Count(folder, [file for file in files if file["filename"] == folder or file["filename"].startswith(folder + "/")])
              for folder in folders]
    counts += [Count(name, [file for file in files if any(fnmatch(file["filename"], pattern) for pattern in core.files)])
               for name, core in CORES.items()]
    counts.append(Count("everything", files))
    for count in counts:
        print(count)
        for file in count.files if count.name in CORES else []:
            if file["branch_covered"] < file["branch_total"]:
                print(f"  {file['branch_total'] - file['branch_covered']:4} branches of {file['filename']} are not taken")
    low = [text for count in counts for text in count.below_its_floor()]
    if low:
        sys.exit("\n".join(low))
    if counted:
        day = datetime.datetime.now(datetime.timezone.utc).date()
        lines = [f"# The last run that passed: {day}, {counted}.", *map(str, counts)]
        RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


main(*sys.argv[1:])
