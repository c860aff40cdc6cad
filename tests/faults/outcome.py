"""What schedules came to, one by one and all together."""

import collections
import dataclasses
import datetime
import os
import pathlib
import subprocess

from harness import environment
from harness.sender import statuses

from faults.broker_errors import CODES


@dataclasses.dataclass
class Outcome:
    """Of a schedule that passed: nothing was lost, invented or altered, or it would not have."""

    seed: int
    errors: dict  # how many produce requests a mock cluster answered with each
    faults: dict  # how many, by the kind of victim
    acknowledged: int
    promised: int  # acknowledged before all was well
    twice: int  # acknowledged, and more than once in Kafka
    unacknowledged: int  # in Kafka, but not acknowledged
    recovered_s: float  # from the end of the last fault, and Kafka's first answer to somebody else, to the last answer but 200
    answers: dict  # how many, by status
    stolen_s: float  # for which the machine did not run the loader although it was due

    @classmethod
    def of(cls, seed, schedule, load, settled, recovered_s, stolen_s, promised, errors):
        faults = collections.Counter(fault.whom.partition("-")[0] for fault in schedule.faults)
        return cls(seed, errors, dict(faults), len(settled.delivered), promised, len(settled.twice), len(settled.unacknowledged),
                   round(recovered_s, 2),
                   {str(status): n for status, n in statuses(answer for _, answer in load.answers).items()}, round(stolen_s, 2))


def counted(counter):
    return ", ".join(f"{n} x {what}" for what, n in sorted(counter.items()))


class Run:
    """A run of schedules as a text that is true at any moment, also of a run that is cut off: it is written after each schedule."""

    def __init__(self, seeds, of_how_many, file=None):
        self.seeds, self.of_how_many = seeds, of_how_many
        self.outcomes, self.failures = [], {}  # by test: what it failed with
        self.file = pathlib.Path(file) if file else None
        self.before = self.file.read_text() if self.file and self.file.exists() else ""
        self.began_at = datetime.datetime.now(datetime.timezone.utc)

    def passed(self, outcome):
        self.outcomes.append(outcome)
        self._write()

    def failed(self, test, why):
        self.failures[test] = why
        self._write()

    def lines(self):
        played = len(self.outcomes) + len(self.failures)
        minutes = max(1, (datetime.datetime.now(datetime.timezone.utc) - self.began_at).total_seconds()) / 60
        lines = [f"{played} of {self.of_how_many} schedules: {len(self.outcomes)} passed, {len(self.failures)} failed;"
                 f" {played / minutes:.1f} a minute"]
        lines += [f"FAILED: {test}: {why}" for test, why in sorted(self.failures.items())]
        return lines + (self._sums() if self.outcomes else [])

    def _sums(self):
        def total(name):
            return sum(getattr(o, name) for o in self.outcomes)

        faults, errors, answers = collections.Counter(), collections.Counter(), collections.Counter()
        for o in self.outcomes:
            faults.update(o.faults)
            errors.update(o.errors)
            answers.update(o.answers)
        stolen = sorted(o.stolen_s for o in self.outcomes)
        recovered = sorted(o.recovered_s for o in self.outcomes)
        return [f"those that passed: {total('acknowledged')} acknowledged, 0 of them lost; 0 invented; 0 altered;"
                f" {total('twice')} there twice, each with one id;"
                f" {total('unacknowledged')} there without an acknowledgement",
                f"in each {min(o.promised for o in self.outcomes)} or more were acknowledged before all was well",
                f"{faults.total()} faults: {counted(faults)}",
                f"brokers answered {errors.total()} produce requests with {len(errors)} of {len(CODES)} errors,"
                f" with each of all {min(errors[name] for name in CODES)} or more",
                f"answers: {counted(answers)}",
                f"well again after {recovered[len(recovered) // 2]} s (median), {recovered[len(recovered) * 99 // 100]} s (99 %),"
                f" {recovered[-1]} s (longest)",
                f"the machine did not run the loaders for {sum(stolen):.1f} s, {stolen[-1]:.1f} s of them in one schedule"]

    def _write(self):
        if self.file is None:
            return
        version = subprocess.run([environment.BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
        now = datetime.datetime.now(datetime.timezone.utc)
        title = (f"{self.began_at:%Y-%m-%d %H:%M} to {now:%H:%M} UTC, {version}, {os.cpu_count()} cores, {environment.kernel()},"
                 f" seeds {self.seeds}:")
        new = self.file.with_name(self.file.name + ".new")
        new.write_text(self.before + "\n".join([title, *(f"  {line}" for line in self.lines())]) + "\n")
        new.replace(self.file)
