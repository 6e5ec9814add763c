"""`python -m npnet.run`: an unchanged program runs, as under python, with npnet for torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from npnet.drop_in import missing_names, torch_is_npnet


def run(folder: Path, *words: str, wait: int = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "npnet.run", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=wait)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def missing(path: Path) -> list[str]:
    with torch_is_npnet():
        found = missing_names(path, path.read_bytes(), str(path.parent))
    return [f"{name.path.name}:{name.line}: {name.name}" for name in found]


# ---- as under python -----------------------------------------------------------------------------


def test_a_program_has_torch_its_arguments_and_its_modules(tmp_path: Path) -> None:
    write(tmp_path, "helper.py", "import torch\nkind = torch.nn.Linear\n")
    write(
        tmp_path,
        "program.py",
        """
        import os, sys
        import torch, torchvision
        import torch.nn as nn
        from torch.utils.data import DataLoader
        from helper import kind
        import npnet
        assert kind is nn.Linear is npnet.nn.Linear
        assert torchvision.transforms.ToTensor is npnet.transforms.ToTensor
        assert torch.__version__ >= "2.2" and torch.__version__ > (1, 10)
        from torch.cuda.amp import GradScaler
        torch.backends.cudnn.benchmark = True
        assert torch.backends.cudnn.benchmark and npnet.backends.cudnn.benchmark
        assert "Linear" in torch.nn.__dict__ and "nn" in dir(torch)
        folder = os.path.dirname(os.path.abspath(__file__))
        print(__name__, __file__, sys.argv, sys.path[0] == folder)
        print(sys.modules["__main__"].__file__, torch.ones(2).sum().item())
        sys.exit(7)
        """,
    )
    done = run(tmp_path, "program.py", "--epochs", "3")
    assert done.returncode == 7, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "__main__ program.py ['program.py', '--epochs', '3'] True"
    assert second == "program.py 2.0"


def test_a_module_is_run_as_by_python(tmp_path: Path) -> None:
    write(tmp_path, "package/__init__.py", "")
    write(tmp_path, "package/sizes.py", "size = 3\n")
    write(
        tmp_path,
        "package/__main__.py",
        "import torch\nfrom .sizes import size\nprint(__package__, torch.zeros(size).tolist())\n",
    )
    done = run(tmp_path, "-m", "package")
    assert (done.returncode, done.stdout) == (0, "package [0.0, 0.0, 0.0]\n"), done.stderr


def test_a_traceback_begins_with_the_program(tmp_path: Path) -> None:
    write(tmp_path, "program.py", "import torch\n\ndef f():\n    1 / 0\n\nf()\n")
    done = run(tmp_path, "program.py")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[:2] == [
        "Traceback (most recent call last):",
        '  File "program.py", line 6, in <module>',
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "drop_in" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals are Unix's")
def test_ctrl_c_ends_it_as_it_ends_python(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "program.py",
        "import time, pathlib\ntry:\n    pathlib.Path('on').touch()\n    time.sleep(60)\n"
        "finally:\n    print('closed', flush=True)\n",
    )
    command = [sys.executable, "-m", "npnet.run", path.name]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while not (tmp_path / "on").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert out == b"closed\n"
    assert err.rstrip().endswith(b"KeyboardInterrupt")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_have_npnet_too(method: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        "program.py",
        f"""
        import multiprocessing, torch

        def work(queue):
            import torch.nn.functional as F
            queue.put((F.relu.__module__, torch.relu(torch.tensor([-1.0, 2.0])).tolist()))

        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            queue = context.Queue()
            process = context.Process(target=work, args=(queue,))
            process.start()
            print(*queue.get(timeout=60))
            process.join()
        """,
    )
    done = run(tmp_path, "program.py")
    assert done.stdout == "npnet.ops.activation [0.0, 2.0]\n", done.stderr


def test_a_notebook_is_run_cell_by_cell(tmp_path: Path) -> None:
    cells = [
        ("markdown", "# Title"),
        (
            "code",
            "%matplotlib inline\nimport torch\n!pip list\nif True:\n    %time\nx = torch.ones(3)",
        ),
        ("code", "%%html\n<b>no Python</b>"),
        ("code", ["%%time\n", "x.sum();\n", "x * 2"]),
        ("code", "\n  for n in range(1):\n    x.sum().item()\n  x.sum().item();"),
        ("code", "raise ValueError('here')"),
    ]
    notebook = {
        "nbformat": 4,
        "cells": [{"cell_type": kind, "source": text} for kind, text in cells],
    }
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    done = run(tmp_path, "a.ipynb")
    assert done.stdout == "tensor([2., 2., 2.])\n"
    assert 'File "a.ipynb[5]", line 1, in <module>' in done.stderr
    assert "raise ValueError('here')" in done.stderr
    (tmp_path / "b.ipynb").write_text("[1]")
    assert "b.ipynb is no notebook" in run(tmp_path, "b.ipynb").stderr


def test_a_percent_sign_within_a_statement_is_no_magic(tmp_path: Path) -> None:
    cell = "\n".join(
        [
            "%time x = 3",
            "for i in range(2):",
            "    print('%d of %d'",
            "          % (i + 1, 2))",
            "    !pip list",
            "s = 'x = %d' \\",
            "    % x",
            "%timeit -n 3 s.upper()",
            "t = '''",
            "%d''' % 7",
            "print(s, t.strip())",
        ]
    )
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": cell}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    done = run(tmp_path, "a.ipynb")
    assert done.stderr == ""
    assert done.stdout == "1 of 2\n2 of 2\nx = 3 7\n"


def test_advice_has_the_names_of_the_program(tmp_path: Path) -> None:
    write(tmp_path, "program.py", "import torch\nimport numpy\ntorch.sum(numpy.ones(2))\n")
    said = run(tmp_path, "program.py").stderr.splitlines()[-1]
    assert said == "TypeError: sum: inputs must be tensors, got ndarray; torch.as_tensor makes one"


def test_a_command_that_the_program_may_need_is_said_not_to_run(tmp_path: Path) -> None:
    cell = "%matplotlib inline\n!pip list\nif False:\n    !ls\n%cd 'data'\n1\nfiles = !ls *.txt"
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": cell}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    done = run(tmp_path, "a.ipynb")
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "a notebook's command was not run: %cd 'data'",
        "a notebook's command was not run: files = !ls *.txt",
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "say which program to run"),
        (["-m"], 2, "say which module to run"),
        (["absent.py"], 2, "can't read absent.py: No such file or directory"),
        (["-m", "absent_module"], 2, "No module named absent_module"),
        (["--cuda", "x.py"], 2, "there is no option --cuda"),
    ],
)
def test_a_wrong_command_line_is_told(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# ---- what is missing -----------------------------------------------------------------------------


def test_what_is_missing_is_named_before_anything_runs(tmp_path: Path) -> None:
    write(tmp_path, "nets.py", "import torch\n\ndef make():\n    return torch.absent_net()\n")
    write(
        tmp_path,
        "program.py",
        """
        print("started")
        import torch
        import torch.nn as nn
        from nets import make
        class Net(nn.Module):
            def forward(self, x):
                return torch.absent.fft2(nn.AbsentLayer(x))
        Net(), make()
        """,
    )
    done = run(tmp_path, "program.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "nets.py:4: torch.absent_net is not in npnet",
        "program.py:8: torch.absent is not in npnet",
        "program.py:8: torch.nn.AbsentLayer is not in npnet",
        "python -m npnet.run: nothing was run: npnet lacks 3 names; --anyway runs till there",
    ]
    done = run(tmp_path, "--anyway", "program.py")
    assert (done.returncode, done.stdout) == (1, "started\n")
    assert "AttributeError: module 'torch' has no attribute 'absent_net'" in done.stderr
    assert "torch.absent_net is not in npnet" in done.stderr


def test_what_only_a_branch_needs_is_named_and_the_program_runs(tmp_path: Path) -> None:
    write(tmp_path, "rare.py", "import torch\nx = torch.absent_rare\n")
    path = write(
        tmp_path,
        "program.py",
        """
        import sys, torch
        def load():
            return torch.AbsentData()
        if len(sys.argv) > 7:
            load()
        elif len(sys.argv) > 6:
            import rare
        else:
            print("other data")
        """,
    )
    branch = "(in a branch, which may not run)"
    said = [
        f"program.py:4: torch.AbsentData is not in npnet {branch}",
        f"rare.py:2: torch.absent_rare is not in npnet {branch}",
    ]
    done = run(tmp_path, "program.py")
    assert (done.returncode, done.stdout) == (0, "other data\n")
    assert sorted(done.stderr.splitlines()) == said
    path.write_text(path.read_text() + "import rare\nload()\n")
    done = run(tmp_path, "program.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "npnet lacks 2 names" in done.stderr
    assert branch not in done.stderr


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import torch.absent", ["1: torch.absent"]),
        ("from torch import absent as a", ["1: torch.absent"]),
        ("from torchvision.absent import x", ["1: torchvision.absent"]),
        ("from torch import nn\nF = nn.functional\nF.absent(1)", ["3: torch.nn.functional.absent"]),
        ("from torch.nn import *\nimport torch\ntorch.Tensor.absent", ["3: torch.Tensor.absent"]),
        ("import torch\ndef f(x=torch.absent): pass", ["2: torch.absent"]),
        ("import torch\n@torch.absent\ndef f(): pass", ["2: torch.absent"]),
        ("import torch\nclass A(torch.nn.Absent): pass\nA()", ["2: torch.nn.Absent"]),
        (
            "import torch\nif torch.cuda.is_available():\n    1\nelse:\n    torch.absent",
            ["5: torch.absent"],
        ),
        ("import torch\nprint(f'{torch.absent}')", ["2: torch.absent"]),
        ("import torch\nx = [torch.absent for _ in 'ab']", ["2: torch.absent"]),
        ("import torch.nn as nn\nnn.Linear.absent", ["2: torch.nn.Linear.absent"]),
        ("import torch, torchvision\ntorch.datasets", ["2: torch.datasets"]),
        # What a program has thought of, or does not reach.
        ("try:\n    import torch.absent\nexcept ImportError:\n    pass", []),
        ("import torch\nif hasattr(torch, 'absent'):\n    torch.absent()", []),
        ("import torch\nif torch.cuda.is_available():\n    torch.cuda.absent()", []),
        ("import torch\nuse_gpu = False\nx = torch.cuda.Absent if use_gpu else torch.Tensor", []),
        ("import torch\ndef unused():\n    torch.absent()", []),
        ("import torch\nclass A:\n    def unused(self):\n        torch.absent()\nA()", []),
        ("import torch\ndef f(torch):\n    return torch.absent", []),
        ("from torch import optim\noptim = optim.SGD\noptim.absent", []),
        ("import torch\ntorch.absent = 1", []),
        ("import torch\ndef f():\n    x: torch.absent = 1\nf()", []),
        ("from __future__ import annotations\nimport torch\ndef f(x: torch.absent): pass", []),
        ("import torch\nx = torch.ones(1)\nx.absent()", []),
        ("import torch; this is no Python", []),
    ],
)
def test_names_are_read_as_python_would_look_them_up(
    text: str, names: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, "program.py", text)
    assert missing(path) == [f"program.py:{name}" for name in names]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x = torch.ones(3)\nx.geqrf()", ["3: torch.Tensor.geqrf"]),
        ("x = torch.ones(3)\n(x + 1).T[0].geqrf()", ["3: torch.Tensor.geqrf"]),
        ("torch.ones(3).geqrf().stft(4)", ["2: torch.Tensor.geqrf", "2: torch.Tensor.stft"]),
        ("def f(x):\n    return x.geqrf()\nf(1)", ["3: torch.Tensor.geqrf"]),
        # What is npnet's too, nobody's, or may well be something else's.
        ("torch.ones(3).sum().relu()", []),
        ("torch.ones(3).no_such_thing()", []),
        ("x = torch.geqrf", ["2: torch.geqrf"]),
        ("def f(x):\n    return x.geqrf()", []),
        ("class Own:\n    def geqrf(self): pass\nx = Own()\nx.geqrf()", []),
        ("x = torch.nn.Linear(2, 2)\nx.geqrf = len\nx.geqrf(1)", []),
        ("from scipy import linalg\nlinalg.geqrf(1)\nlinalg.lapack.geqrf(1).stft()", []),
        ("'a'.geqrf()\n[1].geqrf()", []),
        ("class A:\n    def f(self):\n        self.geqrf()\nA().f()", []),
        ("x = [1]\nx.index(1)\n'a'.index('a')", []),
        ("try:\n    torch.ones(1).geqrf()\nexcept AttributeError:\n    pass", []),
    ],
)
def test_methods_that_no_tensor_has_are_named(text: str, names: list[str], tmp_path: Path) -> None:
    path = write(tmp_path, "program.py", f"import torch\n{text}")
    assert missing(path) == [f"program.py:{name}" for name in names]


def test_a_missing_method_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, "program.py", "import torch\nx = torch.ones(2)\nprint('on')\nx.geqrf()\n")
    done = run(tmp_path, "program.py")
    assert (done.returncode, done.stdout) == (1, "on\n")
    assert done.stderr.splitlines()[0] == (
        "program.py:4: torch.Tensor.geqrf is not in npnet "
        "(if it is a tensor that this is called on)"
    )


def test_only_what_the_program_reaches_is_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "nets/__init__.py", "from .one import *\nfrom . import two\n")
    write(tmp_path, "nets/one.py", "import torch\ndef one():\n    return torch.absent_one()\n")
    write(tmp_path, "nets/two.py", "import torch\ndef two():\n    return torch.absent_two()\n")
    write(tmp_path, "other.py", "import torch\ntorch.absent_other\n")
    path = write(tmp_path, "program.py", "import nets\nprint(nets.__dict__['one']())\n")
    assert missing(path) == ["one.py:3: torch.absent_one"]


def test_torch_is_itself_again_afterwards() -> None:
    import torch

    with torch_is_npnet():
        import torch as other

        assert other is not torch
        assert other.nn.Linear.__module__.startswith("npnet")
    import torch as again

    assert again is torch


def test_each_file_of_a_large_program_is_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not again for every other file: such a program would start after minutes."""
    count = 60
    for i in range(count):
        functions = "".join(f"def f{j}():\n    return torch.relu\n" for j in range(20))
        (tmp_path / f"m{i}.py").write_text(f"import torch\n{functions}")
    program = tmp_path / "program.py"
    program.write_text("".join(f"import m{i}\n" for i in range(count)))
    looked_up = []
    resolve = Path.resolve

    def counted(path: Path, strict: bool = False) -> Path:
        looked_up.append(path)
        return resolve(path, strict)

    monkeypatch.setattr(Path, "resolve", counted)
    with torch_is_npnet():
        assert missing_names(program, program.read_text(), str(tmp_path)) == []
    assert count < len(looked_up) < 10 * count
