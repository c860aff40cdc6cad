"""Makes the program of a mutant: the altered file is compiled as the release build compiles it, and linked in the place of the
true one, of which no library's copy is taken then. The tree is not touched."""

import json
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / "build/release"
PROGRAM = "maesn-bridge"


def altered(mutant, root=ROOT):
    """{file: its text with what is wrong in it}."""
    texts = {}
    for file, before, after in mutant.edits:
        text = texts.get(file) or ((root / file).read_text() if (root / file).exists() else "")
        count = text.count(before)
        assert count == 1, f"mutant {mutant.name}: {before!r} stands {count} times in {file}, expected: once"
        texts[file] = text.replace(before, after)
    return texts


def _run(command):
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr[-3000:]}"
    return done.stdout


def _compile(file, text, directory):
    """The object made of the text."""
    source, made = directory / pathlib.Path(file).name, directory / (pathlib.Path(file).name + ".o")
    source.write_text(text)
    [entry] = [e for e in json.loads((BUILD / "compile_commands.json").read_text()) if e["file"] == str(ROOT / file)]
    command = shlex.split(entry["command"])
    command[command.index("-o") + 1] = str(made)
    command[command.index("-c") + 1] = str(source)
    _run([*command, "-w"])  # it may leave something unused
    return made


def build(mutant, directory):
    """The program of a mutant, in this directory."""
    directory.mkdir(parents=True)
    objects = [str(_compile(file, text, directory)) for file, text in altered(mutant).items()]
    last = _run(["ninja", "-t", "commands", PROGRAM]).strip().splitlines()[-1]
    command = shlex.split(last.removeprefix(": && ").removesuffix(" && :"))
    out = command.index("-o")
    command[out + 1] = str(directory / PROGRAM)
    _run(command[:out] + objects + command[out:])
    return directory / PROGRAM


def check(root=ROOT):
    """Says which text that is to be altered does not stand in its file once; how many."""
    sys.path.insert(0, str(ROOT / "tests"))
    sys.dont_write_bytecode = True
    from faults.mutants.table import MUTANTS
    assert len({m.name for m in MUTANTS}) == len(MUTANTS), "two mutants have one name"
    failed = []
    for mutant in MUTANTS:
        try:
            altered(mutant, pathlib.Path(root))
        except AssertionError as error:
            failed.append(f"tests/faults/mutants/table.py: {error}")
    print(*failed, sep="\n", end="\n" if failed else "")
    return len(failed)


if __name__ == "__main__":
    sys.exit(check(*sys.argv[1:]) > 0)
