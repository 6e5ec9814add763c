"""The command `npnet compare`."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from npnet.base import extras
from npnet.base.checks import check_number
from npnet.base.memory import available_memory
from npnet.base.threads import MOST_THREADS, get_num_threads
from npnet.cli.searching import make_trials
from npnet.comparison import slurm
from npnet.comparison.cluster import Workers
from npnet.comparison.connection import LOCAL, check_address, connected
from npnet.comparison.display import Display
from npnet.comparison.grid import MOST_RUNS, Grid, builtin_names, load, seed_values
from npnet.comparison.needs import Needs, shown_size, size_of
from npnet.comparison.runner import Failure, make, make_in
from npnet.comparison.runs import Run, place
from npnet.comparison.search_report import Trials
from npnet.comparison.space import Space
from npnet.comparison.spec import COMMANDS, LIBRARY, Spec, counted, typed
from npnet.comparison.study import Study, check_installed, without_password
from npnet.runs.commands import run_command
from npnet.runs.declared import flags_of, positional
from npnet.runs.errors import ConfigError, FailedError
from npnet.runs.folders import locked, make_folder
from npnet.runs.help import help_text
from npnet.runs.others import hint_for
from npnet.runs.settings import check_path

__all__ = ["SETTINGS", "Flags", "Options", "main", "parse"]

PROG = "npnet compare"

EVER_RUNS = 100_000  # a folder each


@dataclass(frozen=True)
class Flags:
    """Make every run of a grid, and one report of them all: report.html and report.md.

    GRID is a comparison that comes with npnet (--list), a YAML file, or fit-function: then the
    axes are flags of npnet fit-function. A comparison that was stopped goes on when it is started
    again.

    Axes of the grid are all flags of npnet train, each with one value or several; they replace
    what GRID says. --library is npnet or pytorch. Epochs in --milestones are joined by commas:
    2,5.

    With --search, trials draw from ranges of numbers, written LOW..HIGH, and from lists; without a
    :log or :linear behind it, a range is logarithmic that spans more than a factor of ten. What
    does badly is stopped early.
    """

    GROUPS: ClassVar[dict[str, str]] = {"options of the comparison": "list"}
    PATHS: ClassVar[tuple[str, ...]] = ("grid", "output")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "grid": (*builtin_names(), "fit-function"),
    }
    EXAMPLES: ClassVar[dict[str, str]] = {
        "two networks, three seeds each": "--model lenet4 lenet5 --seeds 3",
        "one that comes with npnet, in a hurry": "lenet-losses --epochs 1 --seeds 1",
        "beside PyTorch": "--library npnet pytorch --model lenet5",
        "on the machines of a Dask cluster": "grid.yaml --cluster tcp://192.168.0.5:8786",
        "on a cluster with SLURM, by sbatch runs.sh": "grid.yaml --slurm > runs.sh",
        "fifty trials of a search": "--search 50 --learning_rate 1e-4..1e-1 --batch_size 16..256",
    }

    grid: str | None = positional(None, required=False)
    """name of a comparison, or its file"""
    list: bool = False
    """list the comparisons that come with npnet"""
    output: str | None = None
    """folder to write; default: ./comparisons/<name>"""
    seeds: int | None = None
    """the seeds 0 to N-1"""
    jobs: int | None = None
    """runs at once; default: one for each thread"""
    threads: int | None = None
    """of all runs together; default: $NPNET_NUM_THREADS, else all cores"""
    memory: str | None = None
    """that each run may need, such as 1500M or 2G: no more runs at once than there is room for, on
    each machine; SLURM gives a run no more"""
    cluster: str | None = None
    """make the runs on the workers of a Dask cluster: tcp://host:port of its scheduler, or local,
    which starts one here; each run has one thread, and there are as many as the workers have,
    unless --jobs and --threads say otherwise"""
    slurm: bool = False
    """print a script for sbatch that makes the runs, in place of making them"""
    search: int | None = None
    """trials of a search that chooses by validation accuracy, in place of the whole grid; those
    that were made before count"""
    storage: str | None = None
    """where a search keeps its trials: a file, or the URL of a database or of Optuna's gRPC proxy,
    which several machines may share; default: search.journal in the output folder"""
    smoothing: float = 0.6
    """weight of the past in the smoothed curves, as TensorBoard's"""
    max_runs: int = MOST_RUNS
    """refuse a grid of more runs"""
    dry_run: bool = False
    """list the runs and their commands"""


SETTINGS = Flags


@dataclass(frozen=True)
class Options:
    """How to make the runs, and where.

    Attributes:
        output: the folder of runs and report.
        jobs: how many runs at once.
        threads: that all of them compute with together; 0 where the machines of a cluster say it.
        memory: bytes that each run may need; None is not known.
        cluster: address of the Dask scheduler whose workers make them; None is this machine alone.
        slurm: only print a script that makes them.
        smoothing: weight of the neighbouring epoch in the smoothed curves, from 0 to below 1.
        max_runs: how many runs there may be.
        dry_run: only list the runs.
        search: how many trials there are to be; None makes the whole grid.
        storage: where they are kept; None is in the output folder.
    """

    output: Path
    jobs: int | None
    threads: int
    memory: int | None
    cluster: str | None
    slurm: bool
    smoothing: float
    max_runs: int
    dry_run: bool
    search: int | None = None
    storage: str | None = None

    @property
    def limit(self) -> int | None:
        """How many at once on other machines, at most; None is as many as there is room for."""
        return self.jobs or self.threads or None

    @property
    def share(self) -> int:
        """The threads of each run on other machines."""
        return max(self.threads // self.jobs, 1) if self.jobs else 1

    def jobs_for(self, runs: int) -> int:
        """How many at once: a small network makes the most of one thread for each run."""
        jobs = self.jobs or max(min(self.threads, runs), 1)
        if self.memory is None or self.cluster not in (None, LOCAL):
            return jobs
        return min(jobs, available_memory() // self.memory)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"compare: {message} (see npnet compare --help)")


def parse(argv: Sequence[str]) -> tuple[Grid, Options]:
    """The grid and the options that the command line asks for.

    Raises:
        ConfigError: a wrong flag, or a wrong grid file.
        SystemExit: `--help` or `--list` was answered.
    """
    if any(word in ("-h", "--help") for word in argv):
        print(help_text(Flags(), PROG), end="")
        raise SystemExit(0)
    named = bool(argv) and not argv[0].startswith("-")
    grid = load(argv[0]) if named else Grid()
    names = [LIBRARY, *COMMANDS[grid.command].fields]
    given = _read(_parser(grid.command, names), argv[named:], names)
    if given["list"]:
        for name in builtin_names():
            print(f"{name}\n    {load(name).about}")
        raise SystemExit(0)
    axes = {
        name: _values(grid.command, name, given[name]) for name in names if given[name] is not None
    }
    if any("://" in str(value) for value in axes.get("scheduler", ())):
        raise ConfigError(
            "compare: scheduler is how the learning rate changes; a Dask cluster is named by "
            f"--cluster {axes['scheduler'][0]}"
        )
    if given["seeds"] is not None:
        if "seed" in axes:
            raise ConfigError("compare: --seeds counts seeds and --seed lists them; give one")
        axes["seed"] = seed_values(given["seeds"], "--seeds")
    if not (grid.settings or grid.axes or grid.runs or axes):
        raise ConfigError(
            f"compare: nothing to compare; name one of {', '.join(builtin_names())}, a grid file "
            "(.yaml), or flags with several values"
        )
    grid = grid.override(axes)
    search = "-search" if given["search"] is not None else ""
    return grid, _options(given, grid.folder + search)


def _parser(command: str, names: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(PROG, add_help=False, allow_abbrev=False)
    for flag in flags_of(Flags):
        if flag.kind == "bool":
            parser.add_argument(*_spellings(flag.name), action="store_true")
        elif not flag.is_positional:
            kind = {"int": int, "float": float}.get(flag.kind, str)
            default = getattr(Flags, flag.name)
            parser.add_argument(*_spellings(flag.name), type=kind, default=default)
    for name in names:
        parser.add_argument(*_spellings(name), nargs="*" if _is_switch(command, name) else "+")
    return parser


def _spellings(name: str) -> dict[str, None]:
    return dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])


def _is_switch(command: str, name: str) -> bool:
    return name != LIBRARY and str(COMMANDS[command].fields[name].type) == "bool"


def _read(parser: argparse.ArgumentParser, argv: Sequence[str], names: Sequence[str]) -> Any:
    for word in argv:
        if re.fullmatch("--[^=]*=--", word):  # argparse would make an empty list of it
            raise ConfigError(f"compare: {word.removesuffix('=--')}: -- is no value")
    # A space before it tells argparse that -1,1 is a value and not a flag.
    given, rest = parser.parse_known_args([re.sub(r"^(?=-[.\d])", " ", word) for word in argv])
    if rest:
        hint = hint_for(rest[0].partition("=")[0], names)
        if not rest[0].startswith("-"):
            hint = "the name of a comparison or its file comes first"
        raise ConfigError(f"compare: unrecognized: {' '.join(rest)}{hint and f'; {hint}'}")
    return vars(given)


def _values(command: str, name: str, words: Sequence[str]) -> list[Any]:
    """The values of a flag; a switch without any is on."""
    return [typed(command, name, word.strip()) for word in words] or [True]


def _options(given: dict[str, Any], name: str) -> Options:
    try:
        threads, most = _threads(given)
        if given["jobs"] is not None:
            check_number("compare", "jobs", given["jobs"], least=1, most=most)
        check_number("compare", "smoothing", given["smoothing"], least=0, below=1)
        check_number("compare", "max_runs", given["max_runs"], least=1, most=EVER_RUNS)
        _check_search(given["search"], given["storage"])
        memory = None if given["memory"] is None else size_of(given["memory"])
        if memory is not None and not (given["slurm"] or given["cluster"] not in (None, LOCAL)):
            _check_fits(given["memory"], memory)
        output = Path("comparisons") / name
        if given["output"] is not None:
            check_path("output", given["output"])
            output = Path(given["output"]).expanduser()
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if given["search"] is not None and (given["cluster"] or given["slurm"]):
        raise ConfigError(
            "compare: a search has no --cluster or --slurm; start the same command on several "
            "machines with one --storage"
        )
    names = ("jobs", "cluster", "slurm", "smoothing", "max_runs", "dry_run", "search", "storage")
    return Options(
        output=output, threads=threads, memory=memory, **{name: given[name] for name in names}
    )


def _threads(given: dict[str, Any]) -> tuple[int, int]:
    """The threads of all runs together, and the most runs at once. Raises ValueError."""
    threads, address = given["threads"], given["cluster"]
    if address is not None:
        check_address(address)
        if given["slurm"]:
            raise ValueError("slurm: --cluster is of a Dask cluster; leave one of them out")
    if threads is None and (given["slurm"] or address not in (None, LOCAL)):
        return 0, MOST_THREADS
    threads = get_num_threads() if threads is None else threads
    check_number("compare", "threads", threads, least=1, most=MOST_THREADS)
    return threads, threads


def _check_fits(asked: str, memory: int) -> None:
    """Raise ValueError if not even one run would have its memory here."""
    there = available_memory()
    if memory > there:
        raise ValueError(
            f"memory: {asked} for each run, and there are {shown_size(there)}; lower --memory"
        )


def _check_search(search: int | None, storage: str | None) -> None:
    """Raise ValueError where a search can't be so."""
    if search is not None:
        check_number("compare", "search", search, least=1, most=EVER_RUNS)
    elif storage is not None:
        raise ValueError("storage: keeps the trials of a search; add --search 50, or leave it out")
    if storage is not None and "://" not in storage:
        check_path("storage", storage)


def main(argv: Sequence[str]) -> int:
    """Compare as the command line says. Returns the exit code."""

    def work() -> None:
        extras.check("train", "npnet compare")
        grid, options = parse(argv)
        if options.cluster is not None:
            extras.check("dask", "npnet compare --cluster")
        do = _compare if options.search is None else _search
        do(grid, options, ["npnet", "compare", *argv])

    stopped = "stopped; the same command goes on with what is left"
    return run_command(work, "npnet compare", stopped)


def _compare(grid: Grid, options: Options, argv: list[str]) -> None:
    specs = grid.specs(options.max_runs)
    if options.dry_run:
        for spec in specs:
            print(spec.shell_line())
        return
    _check_pytorch(specs)
    _check_output(options.output)
    with locked(make_folder(str(options.output), "output"), "output"):
        runs, others = place(specs, options.output / "runs")
        if options.slurm:
            _print_script(grid, options, runs, argv)
            return
        failures: dict[str, Failure] = {}
        try:
            with Display(runs) as display:
                if others:
                    display.say(_left(others))
                for run in runs:
                    if run.damage:
                        display.say(f"{run.name}: {run.damage}; the run is made again")
                _make(grid, options, runs, display, failures)
        except (KeyboardInterrupt, FailedError):
            if failures or any(run.result is not None for run in runs):
                _report(grid, options, runs, failures, shlex.join(argv))
            raise
        _report(grid, options, runs, failures, shlex.join(argv))
    if failures:
        names = ", ".join(failures)
        raise FailedError(f"{len(failures)} of {len(runs)} runs failed: {names}")


def _make(
    grid: Grid,
    options: Options,
    runs: Sequence[Run],
    display: Display,
    failures: dict[str, Failure],
) -> None:
    """Make what is not done, here or on a cluster."""
    jobs = options.jobs_for(len(runs))
    threads = max(options.threads // jobs, 1)
    if options.cluster is None or all(run.result is not None for run in runs):
        display.say(_plan(grid, runs, jobs, threads))
        make(runs, jobs, threads, display, failures)
        return
    limit: int | None = jobs
    if options.cluster != LOCAL:
        threads, limit = options.share, options.limit
    with connected(options.cluster, jobs, threads) as client:
        folder = options.output / "runs"
        needs = Needs(threads, options.memory)
        pool = Workers(runs, client, folder, limit, needs, display.say)
        display.say(_plan(grid, runs, pool.room, threads))
        make_in(pool, display, failures)


def _print_script(grid: Grid, options: Options, runs: Sequence[Run], argv: list[str]) -> None:
    left = slurm.prepare(runs)
    if left:
        needs = Needs(options.share, options.memory)
        said = slurm.script(grid.name, left, options.output, needs, options.limit, argv)
        print(said, end="")
    else:
        report = shlex.join([word for word in argv if word != "--slurm"])
        print(f"# all {len(runs)} runs are done; the report is made by\n#     {report}")


def _search(grid: Grid, options: Options, argv: list[str]) -> None:
    space = Space.of(grid)
    total = options.search or 0
    if options.dry_run:
        print(*space.lines(), sep="\n")
        return
    check_installed()
    _check_pytorch(space.corners())
    jobs = options.jobs_for(total)
    _check_output(options.output)

    def report(runs: Sequence[Run], trials: Trials) -> None:
        _report(grid, options, runs, {}, without_password(shlex.join(argv)), trials)

    # A storage that can't be opened is told before anything is written.
    shared = options.storage and Study(space, options.storage, options.output)
    with locked(make_folder(str(options.output), "output"), "output"):
        study = shared or Study(space, None, options.output)
        make_trials(study, options.output, total, jobs, options.threads // jobs, report)


def _report(
    grid: Grid,
    options: Options,
    runs: Sequence[Run],
    failures: Mapping[str, Failure],
    command: str,
    trials: Trials | None = None,
) -> None:
    from npnet.comparison.report import write

    damaged = {run.name: Failure(None, run.damage) for run in runs if run.damage}
    failures = damaged | dict(failures)
    write(options.output, grid, runs, failures, options.smoothing, command, trials)
    print(
        f"report:  {options.output / 'report.html'}\n"
        f"         {options.output / 'report.md'}\n"
        f"curves:  tensorboard --logdir {options.output / 'runs'}"
    )


def _plan(grid: Grid, runs: Sequence[Run], jobs: int, threads: int) -> str:
    done = sum(run.result is not None for run in runs)
    kept = f", {done} of them done already" if done else ""
    share = counted(threads, "thread")
    return f"{grid.name}: {counted(len(runs), 'run')}{kept}; {jobs} at once with {share} each"


def _left(others: Sequence[Path]) -> str:
    count, names = counted(len(others), "run"), ", ".join(path.name for path in others)
    return f"{count} of an earlier grid kept, but left out of the report: {names}"


def _check_pytorch(specs: Sequence[Spec]) -> None:
    if any(spec.library == "pytorch" for spec in specs) and find_spec("torch") is None:
        raise ConfigError("compare: library: pytorch is not installed; pip install torch")


def _check_output(folder: Path) -> None:
    """Refuse a folder in which the report would replace what is not a comparison's."""
    for name in ("runs", "figures"):
        if (folder / name).exists() and not (folder / name).is_dir():
            raise ConfigError(f"output: {folder / name} is a file; choose another --output")
    there = [name for name in ("report.html", "report.md", "figures") if (folder / name).exists()]
    if there and not (folder / "runs").exists():
        raise ConfigError(
            f"output: {folder} holds {', '.join(there)} of something else; choose another --output"
        )
