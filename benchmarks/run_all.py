"""All tables of README.md anew, by one command and within an hour.

Each benchmark is a process of its own, one after the other, and keeps what it measured in
benchmarks/results/NAME.json (with --avx2, in results/avx2). Nothing else should run on the machine.
`--readme` writes the tables, and the lines about the machine, into README.md between markers:

    <!-- table NAME -->     the rows of results/NAME.json, until
    <!-- end -->
    <!-- machine NAME -->   CPU, threads, versions and measured peak of results/NAME.json, until
    <!-- end -->
    <!-- command NAME -->   the command that made it, until
    <!-- end -->

so that no figure there is copied by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE / "README.md"

# name of the table: what makes it. The sum is some 50 minutes on two cores of a Zen 5.
TABLES = {
    "peak": "peak.py",
    "train-lenet5": "train_speed.py --models lenet5 --rounds 9",
    "train-norms": "train_speed.py --models convnet resnet20 --batches 128 --rounds 5",
    "train-resnet18": "train_speed.py --models resnet18 --batches 128 --rounds 3",
    "train-resnet18-224": "train_speed.py --models resnet18 --size 224 --batches 16 --rounds 3",
    "inference-lenet5": "inference_speed.py --models lenet5 --rounds 9",
    "inference-resnet20": "inference_speed.py --models resnet20 --batches 1 16 128 --rounds 5",
    "conv": "conv_speed.py --rounds 5",
    "grouped": "grouped_speed.py --batches 32 --rounds 3",
    "programs": "programs.py --batch 64 --threads 1 --rounds 3",
    "loaders": "loaders.py --rounds 3",
    "sklearn": "sklearn_speed.py --rounds 3",
    "startup": "startup.py --rounds 5",
    "end-to-end": "end_to_end.py --rounds 3",
    "scaling": "scaling.py --ranks_list 1 2 --rounds 3",
}

# What a CPU with AVX2 would run, in npnet, in NumPy's BLAS and in PyTorch; of what can tell.
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2",
    "OPENBLAS_CORETYPE": "Haswell",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "TORCHINDUCTOR_CPP_SIMDLEN": "256",
}
SPEEDS = ("peak", "train-lenet5", "train-norms", "inference-lenet5", "inference-resnet20", "conv")


def words(name: str, args: argparse.Namespace) -> list[str]:
    """The command of a table, with what is to be otherwise."""
    script, *flags = shlex.split(TABLES[name])
    for flag in ("rounds", "models", "batches", "threads"):
        value = getattr(args, flag)
        others = flag == "models" and script == "grouped_speed.py"  # it has its own networks
        if value is not None and _takes(script, flag) and not others:
            flags = _without(flags, f"--{flag}")
            flags += [f"--{flag}", *map(str, value if isinstance(value, list) else [value])]
    # PyTorch 2.13's compiler, told to use 256 bits of a CPU that has 512, gives wrong losses
    if (args.no_compile or args.avx2) and _takes(script, "no-compile"):
        flags.append("--no-compile")
    file = folder(args) / f"{name}.json"
    return [sys.executable, str(HERE / script), *flags, "--json", str(file)]


def _takes(script: str, flag: str) -> bool:
    """Whether a benchmark has a flag, its own or those of networks."""
    text = (HERE / script).read_text()
    shared = "network_parser(" in text and flag in (
        "rounds", "models", "batches", "threads", "no-compile",
    )  # fmt: skip
    return shared or f'"--{flag}"' in text


def _without(flags: list[str], flag: str) -> list[str]:
    """The flags without one of them and its values."""
    if flag not in flags:
        return flags
    start = flags.index(flag)
    after = next((i for i in range(start + 1, len(flags)) if flags[i].startswith("--")), len(flags))
    return flags[:start] + flags[after:]


def folder(args: argparse.Namespace) -> Path:
    return Path(args.results) / ("avx2" if args.avx2 else "")


def run(args: argparse.Namespace) -> list[str]:
    """Make the tables; the names of those that failed."""
    folder(args).mkdir(parents=True, exist_ok=True)
    failed, start = [], time.monotonic()
    for name in args.only or (SPEEDS if args.avx2 else TABLES):
        command = words(name, args)
        print(f"\n## {name}, after {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
        environment = os.environ | (AVX2 if args.avx2 else {})
        if subprocess.run(command, env=environment, check=False, cwd=HERE.parent).returncode:
            failed.append(name)
    print(f"\nall done after {(time.monotonic() - start) / 60:.1f} minutes")
    return failed


# ---- README.md ---------------------------------------------------------------------------------

MARKED = re.compile(
    r"(?P<begin><!-- (?P<kind>table|machine|command) (?P<name>[\w/-]+) -->\n)"
    r".*?(?P<end><!-- end -->)",
    re.DOTALL,
)


def rewritten(text: str, results: Path) -> str:
    """The text, with what stands between markers made of the files that there are."""

    def made(match: re.Match[str]) -> str:
        file = results / f"{match['name']}.json"
        if not file.exists():
            print(f"{file} is not there: what README says of it stays", file=sys.stderr)
            return match[0]
        data = json.loads(file.read_text())
        lines = {"table": _table, "machine": _machine, "command": _command}[match["kind"]](data)
        return match["begin"] + "\n".join(lines) + "\n" + match["end"]

    return MARKED.sub(made, text)


def _table(data: Mapping[str, Any]) -> Iterator[str]:
    rows = [data["columns"], ["---"] * len(data["columns"]), *data["rows"]]
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _machine(data: Mapping[str, Any]) -> Iterator[str]:
    about = dict(data["environment"])
    cpu, cores, threads = (about.pop(key) for key in ("cpu", "cores", "threads"))
    instructions = about.pop("instructions", None)
    peak = about.pop("measured peak", None)
    only = f", instructions {instructions}" if instructions else ""
    names = {"npnet": "npnet", "numpy": "NumPy", "torch": "PyTorch"}
    versions = ", ".join(f"{names.get(k, k.capitalize())} {v}" for k, v in about.items())
    yield f"{cpu}, {cores} cores, {threads} {'threads' if threads > 1 else 'thread'}{only};"
    yield f"{versions}." + (f" Measured peak {peak}." if peak else "")


def _command(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"`{data['command']}`"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(TABLES), help="these tables")
    parser.add_argument("--rounds", type=int, help="of each benchmark, in place of its own")
    parser.add_argument("--models", nargs="+", help="of each benchmark of networks")
    parser.add_argument("--batches", nargs="+", type=int, help="the same")
    parser.add_argument("--threads", type=int, help="of each benchmark that has the flag")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--avx2", action="store_true",
                        help=f"what a CPU with AVX2 would do, of {', '.join(SPEEDS)}")  # fmt: skip
    parser.add_argument("--results", default=str(RESULTS), help="the folder of the JSON files")
    parser.add_argument("--readme", action="store_true", help="rewrite README.md afterwards")
    parser.add_argument("--readme-only", action="store_true", help="from the files that are there")
    args = parser.parse_args(argv)
    failed = [] if args.readme_only else run(args)
    if args.readme or args.readme_only:
        README.write_text(rewritten(README.read_text(), Path(args.results)))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
