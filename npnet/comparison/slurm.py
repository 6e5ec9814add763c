"""The runs as a script for SLURM: an array of tasks, each a run, which may be requeued."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from npnet.comparison.needs import Needs
from npnet.comparison.runs import ERRORS, OUTPUT, RECORD, Run
from npnet.comparison.spec import counted
from npnet.runs.files import LAST, RESULT

__all__ = ["prepare", "script"]

TASK = ".task"  # what a task has locked, of its run's folder
PATIENCE = 5  # seconds that a task waits for the one before it to be gone
WARNING = 60  # seconds before the time limit at which a run is told to end

_SCRIPT = """\
#!/bin/bash
# {about}, a task of the array each; made by
#     {command}
# Submit it by sbatch, with what your cluster wants: sbatch --time=1:00:00 FILE
# It may be requeued, and submitted again: a run that was stopped goes on from its last epoch, and
# one that is done is left alone. When all have ended, this makes the report, and what is left:
#     {report}
#SBATCH --job-name={name}
#SBATCH --array=0-{last}{limit}
#SBATCH --cpus-per-task={threads}{memory}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@{warning}
#SBATCH --output={output}

cd -- {directory} || exit
export NPNET_NUM_THREADS={threads}

# make_run FOLDER PROGRAM ...: the program in place of this shell, so that signals reach it
make_run() {{
    local folder=$1
    shift
    exec 8>>"$folder/{TASK}" 9>>"$folder/.lock"
    if ! flock -w {patience} 8 || ! flock -w {patience} 9; then  # one that was killed may still end
        echo "$folder: another task is at work on it"
        exit 0
    fi
    exec 9>&-  # the program's own; the other one stays locked until it ends
    if [ -e "$folder/{RESULT}" ]; then
        echo "$folder: done already"
        exit 0
    elif [ -e "$folder/{LAST}" ]; then
        set -- "$@" --resume
    else  # no epoch of it was finished
        find "$folder" -mindepth 1 ! -name {RECORD} ! -name .lock ! -name {TASK} -delete
    fi
    exec "$@" >>"$folder/{OUTPUT}" 2>"$folder/{ERRORS}"
}}

case ${{SLURM_ARRAY_TASK_ID:?this is a script for sbatch}} in
{tasks}
*) echo "there is no run $SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;
esac
"""


def prepare(runs: Sequence[Run]) -> list[Run]:
    """Make the folders of the runs that are not done. Returns these.

    Raises:
        OSError: a folder can't be written.
    """
    left = [run for run in runs if run.result is None]
    for run in left:
        if not run.is_busy:
            run.prepare()
            (run.folder / RESULT).unlink(missing_ok=True)  # a damaged one, by which it seems done
    return left


def script(
    name: str, runs: Sequence[Run], folder: Path, needs: Needs, limit: int | None, argv: list[str]
) -> str:
    """The script that makes these runs, at least one.

    Args:
        name: of the comparison, whose folder is `folder`.
        needs: what each run is given.
        limit: the most runs at once; None is as many as SLURM likes.
        argv: the words of the command that asked for the script.
    """
    return _SCRIPT.format(
        about=f"{counted(len(runs), 'run')} of {name}",
        command=shlex.join(argv),
        report=shlex.join([word for word in argv if word != "--slurm"]),
        name=shlex.quote(f"npnet-{name}"),
        last=len(runs) - 1,
        limit=f"%{limit}" if limit else "",
        threads=needs.threads,
        memory="" if needs.memory is None else f"\n#SBATCH --mem={-(-needs.memory // 2**20)}M",
        warning=WARNING,
        output=shlex.quote(str(folder.resolve() / "slurm-%A_%a.txt")),
        directory=shlex.quote(os.getcwd()),
        tasks="\n".join(f"{at}) {_task(run)} ;;" for at, run in enumerate(runs)),
        TASK=TASK,
        patience=PATIENCE,
        RESULT=RESULT,
        LAST=LAST,
        RECORD=RECORD,
        OUTPUT=OUTPUT,
        ERRORS=ERRORS,
    )


def _task(run: Run) -> str:
    """The line of the script that makes a run."""
    placed = Run(run.spec, run.folder.resolve())
    return shlex.join(["make_run", str(placed.folder), sys.executable, *placed.arguments()])
