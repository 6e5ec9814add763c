"""Run notebooks from top to bottom, and write them back with what they showed.

    python examples/execute.py                       all of them, labs too
    python examples/execute.py lenet5 labs/resnet20  some
    python examples/execute.py --short lenet5        with the tests' few images; writes nothing

Data are found or downloaded as `npnet.datasets.load` does it. What a run writes goes to a temporary
folder. A notebook is replaced as a whole, and only where no cell failed.

The first cell of code of each notebook has the tag `parameters` and holds constants alone; the
metadata `npnet.test` say which of them a test makes smaller.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from PIL import Image

EXAMPLES = Path(__file__).resolve().parent
LONGEST = 1800  # seconds of a cell
COMPILING = "compiling kernels that are new to this machine"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# What language_info is kept of; the rest, such as Python's version, changes from run to run.
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}


def notebooks() -> list[Path]:
    """All that are here, in order."""
    return sorted([*EXAMPLES.glob("*.ipynb"), *EXAMPLES.glob("labs/*.ipynb")])


def name_of(path: Path) -> str:
    """Such as lenet5, or labs/resnet20."""
    return path.resolve().relative_to(EXAMPLES).with_suffix("").as_posix()


def code_cells(notebook: Any) -> list[Any]:
    """Its cells of code, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest(notebook: Any) -> str:
    """Of the code, by which one sees that the stored outputs are this code's."""
    code = "\0".join(cell.source for cell in code_cells(notebook))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def shortened(notebook: Any) -> Any:
    """The notebook with the constants of its tests, in a cell after the parameters."""
    values = notebook.metadata.get("npnet", {}).get("test", {})
    code = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    at = notebook.cells.index(code_cells(notebook)[0]) + 1
    notebook.cells.insert(at, nbformat.v4.new_code_cell(code))
    return notebook


def run(notebook: Any, longest: int = LONGEST) -> Any:
    """Execute all cells, in a folder that is gone afterwards. Raises CellExecutionError.

    That kernels were compiled, as they are once on each machine, is not kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook,
            timeout=longest,
            kernel_name=KERNEL["name"],
            resources={"metadata": {"path": folder}},
            record_timing=False,
            coalesce_streams=True,
        )
        done = client.execute()
    for cell in code_cells(done):
        cell.outputs = [o for o in cell.outputs if not o.get("text", "").startswith(COMPILING)]
    return done


def normalised(notebook: Any) -> Any:
    """The notebook without what is of this machine, and with the digest of its code."""
    ours = {**notebook.metadata.get("npnet", {}), "code": digest(notebook)}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": LANGUAGE, "npnet": ours}
    )
    for cell in code_cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])
    return notebook


def smaller(png: str) -> str:
    """A picture in 256 colours, which figures and grey pictures have enough of; less than half."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    data = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
    return base64.b64encode(data.getvalue()).decode()


def write(notebook: Any, path: Path) -> None:
    """Put it in the place of the one that is there, whole or not at all."""
    beside = path.with_suffix(".writing")
    beside.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    os.replace(beside, path)


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    known = {name_of(path): path for path in notebooks()}
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument(
        "--short", action="store_true", help="run as the tests do, and write nothing"
    )
    args = parser.parse_args(argv)
    names = [name.removesuffix(".ipynb") for name in args.names] or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no notebook {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        start = time.monotonic()
        notebook = nbformat.read(known[name], as_version=4)
        try:
            done = run(shortened(notebook) if args.short else notebook)
        except nbclient.exceptions.CellExecutionError as error:
            print(f"{name}: a cell failed\n{error}", file=sys.stderr)
            return 1
        if not args.short:
            write(normalised(done), known[name])
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
