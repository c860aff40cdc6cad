"""Each promise is broken by a mutant of the program, and the oracle says so; what is true passes the same scenarios.

MUTANTS="a b" chooses; MUTANTS=all takes all."""

import inspect
import os
import re

import pytest

from harness import environment

from faults.mutants import make, scenarios
from faults.mutants.table import MUTANTS

# The others take too long to be put through it each time.
USUAL = "acknowledges-on-enqueue id-from-the-clock"
CHOSEN = os.environ.get("MUTANTS", USUAL)
CHOICE = [m for m in MUTANTS if CHOSEN == "all" or m.name in CHOSEN.split()]
if CHOSEN != "all" and {m.name for m in CHOICE} != set(CHOSEN.split()):
    raise ValueError(f"MUTANTS={CHOSEN}: there are {', '.join(m.name for m in MUTANTS)}")


@pytest.mark.parametrize("name", dict.fromkeys(m.scenario for m in CHOICE))
def test_the_program_itself_passes(name, clusters):
    getattr(scenarios, name)(environment.BINARY, clusters)


@pytest.mark.parametrize("mutant", CHOICE, ids=[m.name for m in CHOICE])
def test_a_mutant_is_caught_by_the_promise_it_breaks(mutant, clusters, tmp_path, record_property):
    program = make.build(mutant, tmp_path / "made")
    with pytest.raises(AssertionError) as found:
        getattr(scenarios, mutant.scenario)(program, clusters)
    said = str(found.value)
    assert re.match(mutant.says, said), f"{mutant.name} was caught by another promise than its own: {said}"
    record_property("mutant", f"{mutant.name}: breaks \"{mutant.promise}\"; {mutant.scenario}: {said.splitlines()[0][:160]}")


def test_each_mutant_alters_what_is_there_and_has_its_scenario():
    assert all(inspect.isfunction(getattr(scenarios, m.scenario)) for m in MUTANTS)
    assert make.check() == 0
