"""ONNX's own tests of the operators that a network is made of, and ONNX's reference evaluator.

Neither knows PyTorch nor npnet: the tests come with the standard, and the evaluator is the
standard's own implementation in NumPy.
"""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from npnet.backend import by_numpy
from npnet.base.extras import lacking
from npnet.base.grad_mode import no_grad
from npnet.serialization import CheckpointError
from npnet.tape import result
from npnet.verify.claims import BOUNDS, Claim, Worst, told
from npnet.verify.subjects import Case, flat, prepared

__all__ = ["beside_onnx"]

RTOL, ATOL = 1e-3, 1e-5  # ONNX's own are 1e-3, and 1e-7 where nothing cancels
SAMPLES = 2
# Said of operators themselves, and needed by every graph around them.
PLAIN = {"Identity", "Constant", "Reshape", "Flatten", "Shape", "Cast", "Concat", "Unsqueeze"}


def beside_onnx(cases: Sequence[Case], seed: int, subject: str) -> list[Claim]:
    """The claims by ONNX: its reference evaluator on the network, its node tests on npnet."""
    evaluated = Claim(
        "ONNX",
        subject,
        "outputs in evaluation, float32",
        "ONNX's reference evaluator of the exported graph",
    )
    tested = Claim(
        "ONNX's node tests", subject, "npnet's results", "what ONNX's tests of its operators expect"
    )
    if lacking("onnx"):
        missing = "not installed: onnx; pip install 'npnet[onnx]' compares with it"
        return [replace(claim, note=missing) for claim in (evaluated, tested)]
    with by_numpy(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the exporter says of sizes is not asked here
        worst = Worst()
        left: dict[str, str] = {}
        kinds: set[str] = set()
        for case in cases:
            kinds |= _evaluate(case, seed, worst, left)
        bound, why = BOUNDS[any(case.is_network for case in cases)]
        evaluated = told(evaluated, worst, left, bound, why)
        return [evaluated, _node_tests(tested, kinds)]


def _evaluate(case: Case, seed: int, worst: Worst, left: dict[str, str]) -> set[str]:
    """Compare one module in evaluation; the operators that it is made of."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    from npnet.onnx import export

    rng = np.random.default_rng((seed, zlib.crc32(case.name.encode())))
    given = [g.array for g in case.draw(rng, SAMPLES)]
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in given]
    model = prepared(case, np.float32).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        try:
            export(model, path, tuple(map(result, arrays)))
        except (NotImplementedError, ValueError, TypeError) as error:
            left[case.name] = f"not exported ({str(error).removeprefix('export: ')})"
            return set()
        graph = onnx.load(path)
    kinds = {node.op_type for node in graph.graph.node}
    names = [info.name for info in graph.graph.input]
    try:
        theirs = ReferenceEvaluator(graph).run(None, dict(zip(names, arrays, strict=False)))
    except Exception as error:  # the evaluator has gaps, and errors of every kind
        left[case.name] = f"the evaluator fails ({type(error).__name__})"
        return kinds
    with no_grad():
        ours = [y.numpy() for y in flat(model(*map(result, arrays)))]
    for i, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        worst.add_pairs({f"output {i}": a}, {f"output {i}": np.asarray(b)}, case.name)
    return kinds


def _node_tests(claim: Claim, kinds: set[str]) -> Claim:
    """How npnet does in ONNX's tests of these operators."""
    wanted = kinds - PLAIN or kinds
    if not wanted:
        return replace(claim, note="no operator of ONNX's is known of it")
    worst, left = Worst(), {}
    for case in _tests_of(wanted):
        try:
            found = _found(case)
        except NotImplementedError:
            left[case.name] = "a form that npnet refuses by name"
            continue
        for a, b in zip(found, case.data_sets[0][1], strict=True):
            worst.add(_excess(a, np.asarray(b)), case.name)
    why = f"in units of what ONNX's tests allow, {ATOL:g} + {RTOL:g} |expected|"
    claim = replace(claim, subject=f"{claim.subject}: {', '.join(sorted(wanted))}")
    return told(claim, worst, left, 1.0, why)


def _tests_of(kinds: set[str]) -> list[Any]:
    """ONNX's node tests that have one of these operators, and no other, on arrays of numbers."""
    found = []
    for case in _made_for(kinds):
        arrays = case.data_sets[0][0] if case.data_sets else []
        if case.model is None or not arrays:
            continue
        nodes = case.model.graph.node
        if {node.op_type for node in nodes} <= kinds and {n.domain for n in nodes} <= {
            "",
            "ai.onnx",
        }:
            dtypes = {x.dtype.kind if isinstance(x, np.ndarray) else "O" for x in arrays}
            found += [case] if dtypes <= set("fiub") else []
    return found


def _made_for(kinds: set[str]) -> list[Any]:
    """Those that ONNX's modules of these operators make, as all together take ten seconds.

    A test is made when its module is imported, and put into a list of the package.
    """
    from onnx.backend.test.case import node
    from onnx.backend.test.loader import load_model_tests

    modules = {m.name.replace("_", ""): m.name for m in pkgutil.iter_modules(node.__path__)}
    names = {kind.lower() for kind in kinds}
    made = getattr(node, "_NodeTestCases", None)
    if made is None or not names <= modules.keys():  # another version, or an operator elsewhere
        return list(load_model_tests(kind="node"))
    for name in sorted(names):
        importlib.import_module(f"{node.__name__}.{modules[name]}")
    return list(made)


def _found(case: Any) -> list[Any]:
    """What npnet gives, with all inputs given; else with all but the first as weights."""
    arrays = [np.array(x) for x in case.data_sets[0][0]]
    try:
        return _run(case.model, arrays)
    except NotImplementedError:
        return _run(_with_weights(case.model, arrays), arrays[:1])


def _run(proto: Any, arrays: list[Any]) -> list[Any]:
    from npnet.onnx.loading import from_proto

    try:
        model = from_proto(proto)
        with no_grad():
            return [y.numpy() for y in flat(model(*map(result, arrays)))]
    except CheckpointError as error:  # of a form that npnet does not read
        raise NotImplementedError(str(error)) from error


def _with_weights(model: Any, arrays: list[Any]) -> Any:
    """The test with its inputs from the second on in the file, as networks have them."""
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(model)
    for info, x in list(zip(proto.graph.input, arrays, strict=False))[1:]:
        proto.graph.initializer.append(onnx.numpy_helper.from_array(x, info.name))
    del proto.graph.input[1:]
    return proto


def _excess(a: Any, b: Any) -> float:
    """The largest |a - b| / (ATOL + RTOL |b|); infinite where shape or dtype differ."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    if b.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else float("inf")
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(wide_b)
    if not np.array_equal(wide_a[~finite], wide_b[~finite], equal_nan=True):
        return float("inf")
    off = np.abs(wide_a[finite] - wide_b[finite]) / (ATOL + RTOL * np.abs(wide_b[finite]))
    return float(off.max(initial=0))
