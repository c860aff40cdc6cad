"""What the commands in tests/bench say of their figures."""

import importlib.util
import pathlib

import pytest


def load(name):
    path = pathlib.Path(__file__).resolve().parents[1] / "bench" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("ratios, code, said", [
    ({64: 0.8, 256: 2.0}, 0, "met: the median ratio of p99 is 2.00 at most"),
    ({64: 0.8, 256: 2.01}, 1, "NOT MET: with 256 connections the median ratio of p99 is 2.01"),
])
def test_a_flood_that_more_than_doubles_the_p99_is_a_failure(ratios, code, said, capsys):
    assert load("flood").judge(ratios) == code
    assert said in capsys.readouterr().out
