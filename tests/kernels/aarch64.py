"""Kernels compiled for aarch64, run under qemu, beside the same kernels on this machine.

    python -m tests.kernels.aarch64 [--tasks NAME ...]

The tasks that networks call are recorded with their arguments. What Numba makes of each, before
LLVM's optimisation, is then compiled by LLVM for either CPU: for this one, and for aarch64 at the
level that kernels have, linked into one program, and run by qemu-aarch64 on the same arrays. Tiles
are those of CPUs without AVX-512, as on aarch64.

It needs qemu-user-static, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross (Debian's names).
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core.imputils import lower_constant

import npnet
from npnet import nn, optim
from npnet.base.arrays import Array
from npnet.kernels._task import TASKS, Task
from npnet.kernels.program import Call
from npnet.kernels.simd import TileShapeType
from npnet.nn import functional as F
from tests.kernels.avx2 import FEATURES

# Of the process that does it: Numba reads them when it is imported.
SETTINGS = {
    "NUMBA_OPT": "0",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": FEATURES,
    "NUMBA_NUM_THREADS": "1",
}

QEMU, GCC = "qemu-aarch64-static", "aarch64-linux-gnu-gcc"
TRIPLE = "aarch64-unknown-linux-gnu"
LEVEL = 1  # of LLVM's optimisation, as kernels have it
ITEMS = 8  # of a task that are done, the first and the last among them

# A kernel's sums may be added up in another order: relative to the largest value of an array.
FLOAT32 = 2e-5

DRAW = np.random.default_rng(0)

Record = tuple[Task, tuple[Any, ...]]


def missing() -> list[str]:
    """The commands that are not here."""
    return [name for name in (QEMU, GCC) if shutil.which(name) is None]


@lower_constant(TileShapeType)
def _constant_shape(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


# ---- what is called ----------------------------------------------------------------------------


def recorded() -> list[Record]:
    """Each task that some networks call, with the arguments of its first call."""
    found: dict[str, Record] = {}
    before = call, do, init = Task.__call__, Task.do, Call.__init__

    def note(task: Task, arguments: tuple[Any, ...], drawn: bool) -> None:
        if task.__name__ not in found:
            found[task.__name__] = (task, tuple(_copied(a, drawn) for a in arguments))

    def noted_do(self: Task, items: int, *leaves: Any) -> None:
        note(self, self._with_plans(leaves), False)
        do(self, items, *leaves)

    def noted_call(self: Task, *arguments: Any) -> None:
        note(self, arguments, False)
        call(self, *arguments)

    def noted_init(self: Call, task: Any, arguments: tuple[Any, ...], *rest: Any) -> None:
        init(self, task, arguments, *rest)
        note(task, arguments, True)  # which are filled when the program runs

    Task.__call__, Task.do, Call.__init__ = noted_call, noted_do, noted_init
    try:
        for run in (_convolutions, _others, _programs):
            run()
    finally:
        Task.__call__, Task.do, Call.__init__ = before
    return list(found.values())


def _copied(value: Any, drawn: bool) -> Any:
    """An argument with arrays of its own; with numbers, where its values are not there yet."""
    if isinstance(value, np.ndarray):
        new = np.array(value)
        if drawn and new.dtype == np.float32:
            new[...] = DRAW.uniform(0.1, 1, new.shape)
        return new
    if isinstance(value, tuple):
        parts = [_copied(v, drawn) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return copy.copy(value) if isinstance(value, (int, float)) else value


def _images(*shape: int) -> npnet.Tensor:
    rng = np.random.default_rng(0)
    return npnet.from_numpy(rng.standard_normal(shape, dtype=np.float32)).requires_grad_()


def _train(model: nn.Module, x: npnet.Tensor) -> None:
    model(x).tanh().sum().backward()


def _convolutions() -> None:
    for enabled in (False, True):  # Winograd's algorithm
        npnet.set_winograd(enabled)
        _train(nn.Conv2d(5, 12, 3, padding=1), _images(19, 5, 9, 10))
        _train(nn.Conv2d(32, 32, 3, padding=1), _images(19, 32, 9, 10))
        _train(nn.Conv2d(4, 8, 3, stride=2, padding=1), _images(19, 4, 9, 11))
        _train(nn.Conv2d(32, 32, 3, stride=2, padding=1), _images(19, 32, 9, 11))
    _train(nn.Conv2d(3, 6, 5), _images(19, 3, 12, 12))
    _train(nn.Conv2d(16, 120, 5), _images(19, 16, 5, 5))
    _train(nn.Conv2d(8, 16, 1, stride=2), _images(19, 8, 9, 9))
    _train(nn.Conv2d(8, 8, 3, padding=1, groups=8), _images(19, 8, 9, 9))
    _train(nn.Conv2d(8, 16, 3, padding=1, groups=2), _images(19, 8, 9, 9))
    _train(nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1), _images(19, 6, 7, 7))


def _others() -> None:
    activations = (
        nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.PReLU, nn.SELU,
        nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Mish, nn.Softplus,
    )  # fmt: skip
    for kind in activations:
        _train(nn.Sequential(nn.Conv2d(3, 4, 3), kind(), nn.Conv2d(4, 2, 3)), _images(19, 3, 8, 8))
    pools = [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(1)]
    norms = [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True)]
    for layer in (*pools, *norms, nn.Dropout(0.5)):
        _train(nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.Tanh()), _images(19, 3, 8, 8))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 600))
    y = npnet.from_numpy(np.arange(19) % 10)
    rules = (
        optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.NAdam, optim.RAdam, optim.Adamax,
        optim.Adagrad, optim.Adadelta,
    )  # fmt: skip
    for rule in rules:
        F.cross_entropy(model(_images(19, 3, 8, 8)), y).backward()
        rule(model.parameters(), lr=0.1).step()
    _train(Gated(), _images(19, 3, 8, 8))
    nn.LSTM(6, 8)(_images(5, 3, 6))[0].sum().backward()


class Gated(nn.Module):
    """Each channel by a number of its own, beside itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        x = self.first(x)
        return x + x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()


def _programs() -> None:
    npnet.set_winograd(True)
    normed = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip
    x, y = _images(35, 1, 32, 32).detach(), npnet.from_numpy(np.arange(35) % 10)
    for model in (normed, npnet.models.create("lenet5")):
        rule = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        npnet.compile(model, F.cross_entropy, rule)(x, y)
    with npnet.no_grad():
        npnet.compile(model)(x[:1])


# ---- compiling ---------------------------------------------------------------------------------


class Entry:
    """A function of pointers to arrays that does items of a task, as Numba and LLVM see it."""

    def __init__(self, number: int, task: Task, arguments: tuple[Any, ...]) -> None:
        self.name, self.task = f"entry{number}", task
        self.arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        count = task.reach(arguments).items
        items = sorted({*range(min(count, ITEMS - 1)), count - 1} - {-1})
        self.items = np.array(items, np.int64)
        self._function = numba.cfunc(
            types.void(*[types.CPointer(numba.typeof(a).dtype) for a in self.arrays]),
            nogil=True,
            error_model="numpy",
        )(_source(task, arguments, tuple(items)))

    def run(self, arrays: list[Array]) -> None:
        """On this machine."""
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))
        prototype(self._function.address)(*[a.ctypes.data for a in arrays])

    def object_code(self, machine: llvm.TargetMachine) -> bytes:
        """For another machine, optimised there."""
        text = self._function._library.get_llvm_str()
        lines = [line for line in text.splitlines() if not line.startswith(("target ",))]
        module = llvm.parse_assembly("\n".join(lines))
        module.triple, module.data_layout = TRIPLE, str(machine.target_data)
        for function in module.functions:
            if function.name == self._function.native_name:
                function.name = self.name
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=LEVEL)
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return bytes(machine.emit_object(module))


def _source(task: Task, arguments: tuple[Any, ...], items: tuple[int, ...]) -> Callable[..., None]:
    """Arrays come by pointers, all else is constant."""
    known: dict[str, Any] = {"carray": numba.carray, "kernel": task.kernel, "items": items}
    pointers, lines, values = [], [], []
    for i, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            pointers.append(f"p{i}")
            lines.append(f"    a{i} = carray(p{i}, {argument.shape})")
            values.append(f"a{i}")
        elif argument is None:
            values.append("None")
        else:
            known[f"c{i}"] = argument
            values.append(f"c{i}")
    body = f"    for k in items:\n        kernel({', '.join([*values, 'k'])})"
    exec("\n".join([f"def entry({', '.join(pointers)}):", *lines, body]), known)
    function: Callable[..., None] = known["entry"]
    return function


# ---- running -----------------------------------------------------------------------------------

MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *take(FILE *f, size_t size) {
    void *p = aligned_alloc(64, (size + 127) / 64 * 64);
    if (p == NULL || fread(p, 1, size, f) != size) { fprintf(stderr, "short\\n"); exit(1); }
    return p;
}
/* Of Numba's helpers: the strides of a row-major array in another shape. */
int numba_attempt_nocopy_reshape(intptr_t nd, const intptr_t *dims, const intptr_t *strides,
                                 intptr_t newnd, const intptr_t *newdims, intptr_t *newstrides,
                                 intptr_t itemsize, int is_f_order) {
    for (intptr_t i = newnd - 1; i >= 0; itemsize *= newdims[i--]) newstrides[i] = itemsize;
    return 1;
}
"""


def program(entries: Sequence[Entry], folder: Path) -> Path:
    """All entries, linked with a main that reads their arrays, runs one and writes them."""
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu="generic", opt=LEVEL, reloc="pic", codemodel="default"
    )
    objects, cases, declared = [], [], []
    for entry in entries:
        file = folder / f"{entry.name}.o"
        file.write_bytes(entry.object_code(machine))
        objects.append(str(file))
        declared.append(f"void {entry.name}({', '.join(['void *'] * len(entry.arrays))});")
        sizes = [a.nbytes for a in entry.arrays]
        takes = "".join(f"void *p{i} = take(f, {n});" for i, n in enumerate(sizes))
        puts = "".join(f"fwrite(p{i}, 1, {n}, g);" for i, n in enumerate(sizes))
        names = ", ".join(f"p{i}" for i in range(len(sizes)))
        cases.append(
            f'if (!strcmp(argv[1], "{entry.name}")) {{{takes}{entry.name}({names});{puts}}}'
        )
    opened = 'FILE *f = fopen(argv[2], "rb"), *g = fopen(argv[3], "wb");'
    main = "int main(int argc, char **argv) {" + opened + "\n".join(cases) + "\nreturn fclose(g);}"
    source, made = folder / "main.c", folder / "program"
    source.write_text("\n".join([MAIN, *declared, *_stubs(objects), main]))
    subprocess.run(
        [GCC, "-static", "-O1", str(source), *objects, "-lm", "-o", str(made)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return made


def _stubs(objects: Sequence[str]) -> Iterator[str]:
    """Of what Numba's code may call beside libc: no thread but one, nothing counted, no errors."""
    listed = subprocess.run(
        [GCC.replace("gcc", "nm"), "-u", *objects], check=True, capture_output=True, text=True
    )
    names = {line.split()[-1] for line in listed.stdout.splitlines() if line.split()[:1] == ["U"]}
    yield "int get_thread_id(void) { return 0; }"
    for name in sorted(names - {"get_thread_id", "numba_attempt_nocopy_reshape"}):
        if name.startswith("NRT_") and name.endswith("ref"):
            yield f"void {name}(void *p) {{}}"
        elif name.startswith(("NRT_", "Py", "_Py", "numba_")):
            yield f'void {name}(void) {{ fprintf(stderr, "{name}\\n"); abort(); }}'


def outcome(entry: Entry, made: Path, folder: Path) -> list[Array]:
    """The arrays after a run under qemu."""
    given, got = folder / "in", folder / "out"
    given.write_bytes(b"".join(a.tobytes() for a in entry.arrays))
    done = subprocess.run(
        [QEMU, str(made), entry.name, str(given), str(got)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{entry.task.__name__}: exit status {done.returncode}: {done.stderr}")
    data, arrays, start = got.read_bytes(), [], 0
    for a in entry.arrays:
        arrays.append(np.frombuffer(data, a.dtype, a.size, start).reshape(a.shape))
        start += a.nbytes
    return arrays


def difference(got: Sequence[Array], want: Sequence[Array]) -> float:
    """The largest difference, relative to an array's largest value; infinite of integers."""
    worst = 0.0
    for a, b in zip(got, want, strict=True):
        if a.dtype.kind != "f":
            worst = max(worst, 0.0 if np.array_equal(a, b) else np.inf)
        elif a.size:
            finite = np.isfinite(b)
            same = np.array_equal(finite, np.isfinite(a))
            both = np.array_equal(a[~finite], b[~finite], equal_nan=True) if same else False
            gap = (
                np.abs(a[finite].astype(np.float64) - b[finite]).max(initial=0) if both else np.inf
            )
            worst = max(worst, gap / max(np.abs(b[finite]).max(initial=0), 1e-30) if gap else 0.0)
    return float(worst)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", help="these alone")
    args = parser.parse_args(argv)
    if missing():
        sys.exit(f"not installed: {', '.join(missing())}")
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        words = sys.argv[1:] if argv is None else argv
        command = [sys.executable, "-m", "tests.kernels.aarch64", *words]
        sys.exit(subprocess.run(command, env=os.environ | SETTINGS, check=False).returncode)
    warnings.simplefilter("ignore", numba.NumbaWarning)  # code that is not optimised can't be kept
    npnet.set_num_threads(1)
    npnet.set_backend("numba")
    npnet.manual_seed(0)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    records = [r for r in recorded() if args.tasks is None or r[0].__name__ in args.tasks]
    entries = [Entry(i, task, arguments) for i, (task, arguments) in enumerate(records)]
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = program(entries, folder)
        for entry in entries:
            want = [a.copy() for a in entry.arrays]
            entry.run(want)
            changed = any(not np.array_equal(a, b) for a, b in zip(want, entry.arrays, strict=True))
            gap = difference(outcome(entry, made, folder), want)
            print(f"{entry.task.__name__:32} {len(entry.items)} items, differs by {gap:.0e}"
                  f"{'' if changed else ', wrote nothing'}", flush=True)  # fmt: skip
            if gap > FLOAT32:
                wrong.append(entry.task.__name__)
    print(f"{len(entries)} of {len(TASKS)} tasks, {len(wrong)} wrong")
    others = {task.__name__ for task in TASKS} - {entry.task.__name__ for entry in entries}
    print(f"not among them: {', '.join(sorted(others))}")
    if wrong:
        sys.exit(f"other values on aarch64: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
