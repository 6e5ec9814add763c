"""Write coming-from-pytorch.md: which of PyTorch's names npnet has, from the libraries themselves.

python docs/coming_from_pytorch.py          # writes it, beside this file, and the list of
                                            # methods that npnet.run goes by
python docs/coming_from_pytorch.py --check  # exit code 1 where it is out of date
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the helper of the tests

from tests.torchvision_import import import_torchvision

PAGE = Path(__file__).with_name("coming-from-pytorch.md")
METHODS = Path(__file__).parent.parent / "npnet/drop_in/tensor_names.py"

# Section -> where its names are in PyTorch, and in npnet.
SECTIONS = {
    "torch": ("torch", "npnet"),
    "torch.Tensor": ("torch.Tensor", "npnet.Tensor"),
    "torch.nn": ("torch.nn", "npnet.nn"),
    "torch.nn.functional": ("torch.nn.functional", "npnet.nn.functional"),
    "torch.nn.init": ("torch.nn.init", "npnet.nn.init"),
    "torch.nn.utils": ("torch.nn.utils", "npnet.nn.utils"),
    "torch.autograd": ("torch.autograd", "npnet.autograd"),
    "torch.linalg": ("torch.linalg", "npnet.linalg"),
    "torch.optim": ("torch.optim", "npnet.optim"),
    "torch.optim.lr_scheduler": ("torch.optim.lr_scheduler", "npnet.optim.lr_scheduler"),
    "torch.optim.swa_utils": ("torch.optim.swa_utils", "npnet.optim.swa_utils"),
    "torch.utils.data": ("torch.utils.data", "npnet.utils.data"),
    "torch.distributions": ("torch.distributions", "npnet.distributions"),
    "torchvision.transforms": ("torchvision.transforms", "npnet.transforms"),
    "torchvision.transforms.functional": (
        "torchvision.transforms.functional",
        "npnet.transforms.functional",
    ),
    "torchvision.datasets": ("torchvision.datasets", "npnet.datasets"),
    "torchvision.models": ("torchvision.models", "npnet.models"),
    "torchvision.utils": ("torchvision.utils", "npnet.utils"),
}

_SHAPES = "refuses a target of another shape, which PyTorch broadcasts with a warning"
_WEIGHTS = "has no weights to download: `weights=None`, then `load_state_dict`"

# What npnet has and takes less of than PyTorch does, and why.
STRICTER = {
    "torch": {
        "autocast": "off, as without a GPU; for the CPU refused unless `enabled=False`",
        "device": "the CPU alone",
        "load": "reads the files of `npnet.save`; executes nothing unless `weights_only=False`",
        "save": "tensors, state dicts and what nests them are safetensors; the rest is pickled",
        "compile": "also a training step, see README; options tune nothing, functions stay eager",
    },
    "torch.Tensor": {
        "backward": "no `create_graph`: gradients have no gradients",
        "cuda": "refused, as in PyTorch without CUDA",
        "share_memory_": "of a view refused; views made before stay where they are",
        "to": "the CPU alone",
    },
    "torch.nn": dict.fromkeys(("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"), _SHAPES),
    "torch.nn.functional": dict.fromkeys(
        ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), _SHAPES
    ),
    "torch.autograd": {"grad": "no `create_graph`: gradients have no gradients"},
    "torch.utils.data": {
        "DataLoader": "loads in this process: `num_workers` changes no result and starts none"
    },
    "torchvision.models": dict.fromkeys(
        (
            *("alexnet", "densenet121", "googlenet", "mobilenet_v2", "resnet18", "resnet34"),
            *("resnet50", "resnet101", "resnet152", "shufflenet_v2_x1_0", "squeezenet1_0"),
            *("vgg11", "vgg13", "vgg16", "vgg19"),
        ),
        _WEIGHTS,
    ),
}

# Of PyTorch's own workings, other devices and number formats: no program of this kind says them.
_WORKINGS = (
    *(
        "cudnn_",
        "mkldnn_",
        "miopen_",
        "fbgemm_",
        "fused_",
        "fake_quantize",
        "quantize",
        "quantized",
    ),
    *(
        "q_",
        "sym_",
        "native_",
        "sparse_",
        "to_sparse",
        "to_mkldnn",
        "ccol_",
        "crow_",
        "col_indices",
    ),
    *("row_indices", "int_repr", "is_vulkan", "slow_conv", "constant_pad", "embedding_renorm"),
    *("batch_norm_", "choose_", "dequantize", "coalesce", "is_coalesced", "has_torch_function"),
    *("handle_torch_function", "assert_int_or_pair", "boolean_dispatch", "factory_kwargs"),
    *(
        "autocast_",
        "clear_autocast",
        "set_autocast",
        "get_autocast",
        "is_autocast",
        "bits",
        "uint1",
    ),
    *("uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "int1_", "float8", "float4", "qint"),
)
_WORKING_ENDS = (
    *("Storage", "Type", "_backward", "_copy", "Observer", "_cuda", "_Weights", "Error"),
    "_with_indices",
)


def page() -> str:
    """The page's text."""
    import torch

    vision = import_torchvision()
    parts = [
        f"""\
# Coming from PyTorch

Which names of PyTorch {_release(torch)} and torchvision {_release(vision)} npnet has, written from
both libraries by `python docs/coming_from_pytorch.py`. **Here** means the name with PyTorch's
arguments, defaults and results; **stricter**, that npnet takes less, and says so where it does not;
**absent**, that there is no such name. A program says `npnet` for `torch` and for `torchvision`, or
stays as it is and is run by `python -m npnet.run program.py`, which names what it lacks of these
before it starts. Left out are names of PyTorch's own workings, of other devices than the CPU, and
of quantized, sparse and distributed tensors.
"""
    ]
    sections = [_section(title, *where) for title, where in SECTIONS.items()]
    rows = [f"| [{title}](#{_anchor(title)}) | {counts} |" for title, counts, _ in sections]
    parts.append(
        "\n".join(["| of | here | stricter | absent |", "| --- | --- | --- | --- |", *rows])
    )
    parts += [text for _, _, text in sections]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def methods() -> str:
    """The text of the module that lists torch.Tensor's methods, for who has no torch."""
    import torch

    names = sorted(name for name in _names(torch.Tensor) if callable(getattr(torch.Tensor, name)))
    lines = textwrap.wrap(" ".join(names), 84, break_long_words=False, break_on_hyphens=False)
    listed = "\n".join(f'    "{line} "' for line in lines)
    return f'''\
"""The methods of torch.Tensor of PyTorch {_release(torch)}, by docs/coming_from_pytorch.py."""

from __future__ import annotations

__all__ = ["METHODS"]

METHODS = frozenset(
    (  # noqa: SIM905 # a list would be one name a line
{textwrap.indent(listed, "    ")}
    ).split()
)
'''


def _release(module: ModuleType) -> str:
    return str(module.__version__).partition("+")[0]


def _anchor(title: str) -> str:
    return title.lower().replace(".", "")


def _section(title: str, theirs: str, ours: str) -> tuple[str, str, str]:
    """Title, the row of numbers, and the text."""
    names = _names(_object(theirs))
    place = _object(ours)
    here = {name for name in names if place is not None and hasattr(place, name)}
    stricter = {name: why for name, why in STRICTER.get(title, {}).items() if name in here}
    lines = [f"## {title}", ""]
    lines += _listed("Here", here - {*stricter})
    if stricter:
        lines += ["| stricter | how |", "| --- | --- |"]
        lines += [f"| `{name}` | {why} |" for name, why in sorted(stricter.items())]
        lines.append("")
    lines += _listed("Absent", names - here)
    counts = f"{len(here) - len(stricter)} | {len(stricter)} | {len(names - here)}"
    return title, counts, "\n".join(lines)


def _listed(word: str, names: Iterable[str]) -> list[str]:
    said = ", ".join(f"`{name}`" for name in sorted(names, key=lambda n: (n.lower(), n)))
    if not said:
        return []
    wrapped = textwrap.wrap(f"{word}: {said}.", 100, break_long_words=False, break_on_hyphens=False)
    return [*wrapped, ""]


def _object(dotted: str) -> Any:
    """The module or class of a name; None where there is none."""
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        return getattr(importlib.import_module(module), name, None) if module else None


def _names(place: Any) -> set[str]:
    """The public names of a module or a class that programs say."""
    found = {name: getattr(place, name, None) for name in dir(place)}
    return {
        name
        for name, value in found.items()
        if not (name.startswith("_") or isinstance(value, ModuleType) or _is_working(name))
        and (not inspect.ismodule(place) or _is_of(place, name, value))
    }


def _is_of(place: ModuleType, name: str, value: Any) -> bool:
    """Whether a name of a module is its own, and not what its file imports."""
    if place.__name__ == "torch":
        is_type = name[:1].isupper() and not name.endswith("Tensor")
        is_listed = name in place.__all__ or isinstance(value, place.dtype)
        return is_listed and (not is_type or name in ("Generator", "Size"))
    if place.__name__ in ("torch.nn.functional", "torch.linalg"):
        return callable(value) and not inspect.isclass(value)
    return name in getattr(place, "__all__", ()) or str(
        getattr(value, "__module__", "")
    ).startswith(place.__name__)


def _is_working(name: str) -> bool:
    return name.startswith(_WORKINGS) or name.endswith(_WORKING_ENDS)


def main(words: list[str]) -> int:
    texts = {PAGE: page(), METHODS: methods()}
    if words == ["--check"]:
        old = [p for p, text in texts.items() if not p.is_file() or p.read_text("utf-8") != text]
        for path in old:
            print(f"{path.name} is out of date: run python docs/{Path(__file__).name}")
        return 1 if old else 0
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
