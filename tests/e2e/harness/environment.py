"""Where things are: the tree, the binary under test, and what tests/run has installed for the tests."""

import os
import pathlib
import platform

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "maesn-bridge-tests"
BINARY = pathlib.Path(os.environ.get("MAESN_BRIDGE") or ROOT / "build/release/maesn-bridge")
# Sanitizers, and what counts lines and branches, have threads, system calls and files of their own.
IS_SANITIZED = BINARY.parent.name in ("asan", "coverage")
NODE_MODULES = CACHE / "node" / "node_modules"


def kernel():
    """Its version, without what its builder calls it."""
    return f"{platform.system()} {platform.release().partition('-')[0]}"


def kafka_classpath():
    return (CACHE / "kafka.classpath").read_text().strip()


def java_consumer_classpath():
    return (CACHE / "java-consumer.classpath").read_text().strip()


def strimzi_classpath():
    return (CACHE / "strimzi.classpath").read_text().strip()
