"""tests/run mutation [--sample N] [--seed S] [--write] [CORE...]

Makes small changes of the cores' sources (operators.py), one at a time, and asks whether a test of the core (tests/cores.py) fails
for each. Mutants that do not compile are left out, and those that, optimised, are the same code as the original or as another
mutant. What passes every test is put through them again under the sanitizers of the gate. A hang is a kill. A core of whose
mutants less than 80 % are killed fails it. --sample 0 takes all of them, an hour; --write puts what came out into RESULT.txt.
"""

import argparse
import datetime
import glob
import multiprocessing
import os
import pathlib
import random
import sys
import tempfile
from typing import NamedTuple

from cores import CORES
from mutation.build import ROOT, Build
from mutation.operators import Mutant, mutants

LEAST = 80  # percent
SAMPLE = 150
RESULT = pathlib.Path(__file__).with_name("RESULT.txt")
HEAD = """\
# The last run of each core; `tests/run mutation --write` writes it. A mutant has one small change, made by rule. Beside those that
# the tests killed are those that live on, with what was changed.
"""


class Job(NamedTuple):
    file: str
    mutant: Mutant

    def mutated(self):
        return self.mutant.of((ROOT / self.file).read_bytes())

    def __str__(self):
        return f"{self.file}:{self.mutant.line}: {self.mutant.what}"


class Outcome(NamedTuple):
    possible: int
    made: int  # of these, taken by chance
    uncompiled: int
    same: int
    killed: int
    survivors: list[Job]

    def share(self):
        return 100 * self.killed / max(1, self.killed + len(self.survivors))


def compiled(build, job, directory):
    """The object, in this new directory; None: it does not compile."""
    directory.mkdir(parents=True)
    return build.object_of(job.file, job.mutated(), directory)


def survives(build, made):
    return all(build.passes(test, [made]) for test in build.tests)


def still_alive(build, pairs, pool):
    """Of the jobs, each with its object, those that no test notices."""
    lives = pool.starmap(survives, [(build, made) for _, made in pairs], chunksize=1)
    left = [job for (job, _), does in zip(pairs, lives) if does]
    print(f"  {build.preset}: {len(left)} of {len(pairs)} live", flush=True)
    return left


def only_new(jobs, objects, known):
    """Of the jobs that compile those whose code is neither known nor another one's, with their objects."""
    new = {}
    for job, made in zip(jobs, objects):
        if made is not None and made.read_bytes() not in known:
            new.setdefault(made.read_bytes(), (job, made))
    return list(new.values())


def mutate(core, sample, seed, pool, directory):
    files = sorted(os.path.relpath(path, ROOT) for pattern in core.files for path in glob.glob(str(ROOT / pattern)))
    possible = [Job(file, mutant) for file in files for mutant in mutants((ROOT / file).read_bytes())]
    jobs = sorted(random.Random(seed).sample(possible, sample)) if 0 < sample < len(possible) else possible

    def compile_all(build, jobs):
        return pool.starmap(compiled, [(build, job, directory / build.preset / str(i)) for i, job in enumerate(jobs)])

    build = Build("mutation", files, core.tests)
    objects = compile_all(build, jobs)
    pairs = only_new(jobs, objects, {build.object_of(file, (ROOT / file).read_bytes(), directory).read_bytes() for file in files})
    meant, uncompiled = len(pairs), objects.count(None)
    left = still_alive(build, pairs, pool)
    for preset in core.presets:
        build = Build(preset, files, core.tests)
        left = still_alive(build, list(zip(left, compile_all(build, left))), pool)
    return Outcome(len(possible), len(jobs), uncompiled, len(jobs) - uncompiled - meant, meant - len(left), left)


def line(name, outcome):
    return (
        f"{name:8} {outcome.made:4} of {outcome.possible:4} mutants: {outcome.uncompiled:2} do not compile,"
        f" {outcome.same:3} are the same code, {outcome.killed:4} killed, {len(outcome.survivors):3} live: {outcome.share():5.1f} %"
    )


def note(name, text):
    """Replaces the core's block."""
    old = RESULT.read_text() if RESULT.exists() else ""
    blocks = {block.split()[1]: block for block in old.removeprefix(HEAD).split("\n\n") if block.strip()}
    blocks[name] = text
    RESULT.write_text(HEAD + "\n\n".join(blocks[core].strip("\n") for core in CORES if core in blocks) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="tests/run mutation", usage=__doc__)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("cores", nargs="*")
    options = parser.parse_args()
    if unknown := set(options.cores) - set(CORES):
        parser.error(f"no core {', '.join(unknown)}: there are {', '.join(CORES)}")
    outcomes = {}
    with multiprocessing.Pool() as pool:
        for name in options.cores or CORES:
            with tempfile.TemporaryDirectory() as directory:
                outcome = mutate(CORES[name], options.sample, options.seed, pool, pathlib.Path(directory))
            outcomes[name] = outcome
            survivors = "".join(f"\n  {job}" for job in outcome.survivors)
            print(line(name, outcome) + survivors, flush=True)
            if options.write:
                note(name, f"{datetime.datetime.now(datetime.UTC).date()} {line(name, outcome)}{survivors}")
    print(*(line(name, outcome) for name, outcome in outcomes.items()), sep="\n")
    if failed := [name for name, outcome in outcomes.items() if outcome.share() < LEAST]:
        print(f"less than {LEAST} % are killed: {', '.join(failed)}", file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
