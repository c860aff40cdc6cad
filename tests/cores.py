"""The cores, of which more is asked than of the rest: their branches are counted (tests/coverage), and small changes of them are
to fail a test (tests/mutation)."""

from typing import NamedTuple


class Core(NamedTuple):
    files: tuple[str, ...]  # patterns
    tests: tuple[str, ...]  # patterns of ctest's names, each for one folder
    presets: tuple[str, ...] = ("asan",)  # the sanitizers under which the gate runs them, and which see what one of these changes breaks


CORES = {
    "verify": Core(
        ("bridge/providers/maesn/maesn.c", "bridge/providers/moneybird/moneybird.c", "bridge/providers/moneybird/signature.c"),
        ("unit/providers/*", "unit/fuzz/maesn", "unit/fuzz/moneybird"),
    ),
    "ids": Core(
        ("bridge/domain/envelope.c", "bridge/domain/publication.c"),
        ("unit/domain/*", "unit/providers/*"),
    ),
    "sealing": Core(
        ("bridge/registry/sealed.c",),
        ("unit/registry/sealed*", "unit/fuzz/sealed"),
    ),
    "plan": Core(
        ("bridge/reconciler/plan*.c",),
        ("unit/reconciler/*",),
    ),
    "spool": Core(
        ("bridge/spool/spool*.c", "bridge/spool/drain.c", "bridge/spool/backlog.c"),
        ("unit/spool/*", "integration/spooling"),
        ("asan", "tsan"),
    ),
}
