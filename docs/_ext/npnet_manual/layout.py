"""Which name of npnet stands on which page of the reference, and in which order.

Names of `npnet`, `nn.functional`, `linalg` and `nn` go by the file that makes them, as ops are read
by their kind; all other modules have a page each. A file that no page names has one of its own, so
that nothing new is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from npnet_manual.names import Catalogue, Entry

__all__ = ["GROUPS", "Page", "page_of", "pages"]

# Slug: title, and the files, below npnet/ops/ unless they begin with a point.
_OPS = {
    "creation": (
        "Making tensors",
        ".creation .tensor .typed_tensors .toplevel .tape .numerics .base.storage numpy",
    ),
    "arithmetic": ("Arithmetic", "arithmetic"),
    "functions": ("Exponentials, logarithms, roots", "functions exponentials"),
    "trigonometry": ("Angles and hyperbolas", "trigonometry"),
    "rounding": ("Rounding, signs, bits", "elementwise"),
    "special": ("Special functions", "special"),
    "comparison": ("Comparison and choice", "compare choices"),
    "reductions": ("Sums, means, extremes", "reduce statistics extremes"),
    "sorting": ("Sorting and sets", "sorting sets"),
    "products": ("Matrix products", "linear products einsum"),
    "linalg": ("Linear algebra", "linalg old_linalg"),
    "norms": ("Norms and distances", "norms distance"),
    "shape": ("Shape, order, joining", "shape splitting views arranging aliases"),
    "indexing": ("Indexing and scattering", "indexing scattering"),
    "numerical": ("Differences, integrals, covariances", "numerical"),
    "sampling": ("Random draws", "sampling .random .random_methods"),
    "convolution": ("Convolution", "conv conv_transpose folding"),
    "pooling": (
        "Pooling",
        "pool pool1d adaptive_max_pool fractional_pool power_pool unpool",
    ),
    "normalisation": ("Normalisation", "norm sample_norm"),
    "activation": ("Activations", "activation smooth piecewise"),
    "dropout": ("Dropout", "dropout"),
    "losses": ("Losses", "loss elementwise_loss likelihood margin_loss ctc"),
    "embedding": ("Embeddings", "embedding embedding_bag"),
    "attention": ("Attention", "attention multihead"),
    "images": (
        "Padding, resizing, sampling of images",
        "padding interpolate grid_sample pixel_shuffle shuffle",
    ),
    "spellings": ("torch's forms of functional's names", ".spellings"),
    "settings": (
        "Settings: dtypes, threads, kernels",
        "dtypes .settings .backend .base.threads .base.grad_mode .base.printing .base.memory "
        ".base.layouts .devices.cpu .devices.amp",
    ),
}

# The same below npnet/nn/modules/.
_LAYERS = {
    "modules": (
        "Modules, containers, parameters",
        ".nn.module container .nn.parameter parameter_container .nn.parallel",
    ),
    "linear": ("Fully connected layers", "linear flatten"),
    "convolution": ("Convolution layers", "conv fold"),
    "pooling": ("Pooling layers", "pooling"),
    "normalisation": ("Normalisation layers", "batchnorm instancenorm normalization"),
    "activation": ("Activation layers", "activation"),
    "dropout": ("Dropout layers", "dropout"),
    "losses": ("Losses as modules", "loss margin_loss adaptive distance"),
    "recurrent": ("Recurrent layers", "rnn"),
    "attention": ("Attention and the Transformer", "attention transformer"),
    "embedding": ("Embedding layers", "sparse"),
    "images": ("Padding and resizing layers", "padding upsampling pixelshuffle channelshuffle"),
    "lazy": ("Layers that learn their sizes", "lazy"),
}

# Groups of the reference's first page: title, and the slugs of its pages.
GROUPS = {
    "Tensors and ops": ("tensor", *(f"ops/{slug}" for slug in _OPS)),
    "Layers": (
        *(f"nn/{slug}" for slug in _LAYERS),
        *("npnet.nn.init", "npnet.nn.utils", "npnet.nn.utils.rnn"),
        *("npnet.nn.utils.parametrizations", "npnet.nn.utils.parametrize"),
    ),
    "Gradients": ("npnet.autograd", "npnet.testing"),
    "Optimizers": ("npnet.optim", "npnet.optim.lr_scheduler", "npnet.optim.swa_utils"),
    "Data": (
        *("npnet.utils.data", "npnet.datasets", "npnet.transforms"),
        *("npnet.transforms.functional", "npnet.distributions", "npnet.random"),
    ),
    "Networks and training": (
        *("npnet.models", "npnet.training", "npnet.prediction", "npnet.plots"),
        *("npnet.compiler", "npnet.distributed", "npnet.utils", "npnet.utils.tensorboard"),
    ),
    "Files and other libraries": (
        *("npnet.serialization", "npnet.onnx", "npnet.sklearn", "npnet.hub"),
    ),
    "The classroom": ("npnet.verify", "npnet.explain", "npnet.grading"),
}


@dataclass(frozen=True)
class Page:
    """A page of the reference.

    Attributes:
        slug: its file below reference/, without the ending.
        title: what stands above it.
        sections: files of npnet, each with its entries; one section has no heading.
    """

    slug: str
    title: str
    sections: dict[str, list[Entry]]


def page_of(entry: Entry) -> tuple[str, str]:
    """Slug and title of the page that an entry stands on."""
    if entry.full in ("npnet.Tensor", "npnet.Size"):
        return "tensor", "Tensor"
    for module in ("npnet.compiler", "npnet.serialization"):
        if entry.file.startswith(module):
            return module, module
    if entry.place in ("npnet", "npnet.nn.functional", "npnet.linalg"):
        return _by_file(entry, "ops", "npnet.ops.", _OPS, "creation")
    if entry.place == "npnet.nn":
        return _by_file(entry, "nn", "npnet.nn.modules.", _LAYERS, "modules")
    return entry.place, entry.place


def pages(catalogue: Catalogue) -> list[Page]:
    """All pages with what stands on them, in the order of GROUPS; what no group names is last."""
    made: dict[str, Page] = {}
    for entry in catalogue.entries.values():
        slug, title = page_of(entry)
        page = made.setdefault(slug, Page(slug, title, {}))
        by_file = slug.startswith(("ops/", "nn/"))
        page.sections.setdefault(entry.file if by_file else "", []).append(entry)
    for page in made.values():
        _sort(page)
    order = [slug for group in GROUPS.values() for slug in group]
    known = [made[slug] for slug in order if slug in made]
    return [*known, *(page for slug, page in made.items() if slug not in order)]


def _sort(page: Page) -> None:
    """Sections in the order in which the tables name their files."""
    folder, _, slug = page.slug.partition("/")
    files = {"ops": _OPS, "nn": _LAYERS}.get(folder, {}).get(slug, ("", ""))[1].split()
    root = {"ops": "npnet.ops.", "nn": "npnet.nn.modules."}.get(folder, "")
    order = ["npnet" + file if file[0] == "." else root + file for file in files]
    known = sorted(page.sections, key=lambda file: order.index(file) if file in order else 99)
    for file in known:
        page.sections[file] = page.sections.pop(file)


def _by_file(
    entry: Entry, folder: str, root: str, table: dict[str, tuple[str, str]], default: str
) -> tuple[str, str]:
    if entry.kind == "data" or not entry.file.startswith("npnet."):
        slug = "settings" if "settings" in table else default
        return f"{folder}/{slug}", table[slug][0]
    short = entry.file.removeprefix(root)
    wanted = short if short != entry.file else entry.file.removeprefix("npnet")
    for slug, (title, files) in table.items():
        if wanted in files.split():
            return f"{folder}/{slug}", title
    return f"{folder}/{wanted.strip('.')}", wanted.strip(".").replace("_", " ").capitalize()
