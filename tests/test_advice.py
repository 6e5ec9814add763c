"""Advice in errors, followed to the letter: what comes out is right, not only accepted.

Each case provokes an error, takes the fix out of its text, follows it and looks at the result. What
an error says can't be looked up in a table here: the test finds the code in the text, or fails.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import npnet
import npnet.nn.functional as F
from npnet import nn
from npnet.base.arrays import Array
from npnet.datasets import DataError, _files, read_npz
from npnet.distributions import Categorical
from npnet.optim import SGD, Adam, AdamW
from npnet.utils.data import Subset

Arrays: TypeAlias = dict[str, Any]

# ---- arrays of one's own -----------------------------------------------------------------------

RNG = np.random.default_rng(0)
COUNT, TESTS = 60, 30
GREY = RNG.integers(0, 256, (COUNT, 28, 28), np.uint8)
GREY_TEST = RNG.integers(0, 256, (TESTS, 28, 28), np.uint8)
COLOUR = RNG.integers(0, 256, (COUNT, 32, 32, 3), np.uint8)
LABELS = np.arange(COUNT) % 10
LABELS_TEST = np.arange(TESTS) % 9 + 1  # none of class 0


def both(x: Any = GREY, y: Any = LABELS, x_test: Any = GREY_TEST, y_test: Any = LABELS_TEST) -> Any:
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}


def alone(x: Any = GREY, y: Any = LABELS) -> Any:
    return {"x": x, "y": y}


def right(
    x: Any = GREY, y: Any = LABELS, x_test: Any = GREY_TEST, y_test: Any = LABELS_TEST
) -> Any:
    return both(x, y, x_test, y_test)


NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
SORTED = np.argsort(np.argsort(NAMES))  # the place of each name in the alphabet
DEEP, DEEP_TEST = GREY.astype(np.uint16) * 16, GREY_TEST.astype(np.uint16) * 16
CT, CT_TEST = DEEP.astype(np.int16) - 1024, DEEP_TEST.astype(np.int16) - 1024
ONE_HOT = np.eye(10, dtype=np.uint8)
HOLED = GREY.astype(np.float32)
HOLED[7, 3, 3], HOLED[9, 0, 0] = np.nan, np.inf
KEEP = np.delete(np.arange(COUNT), [7, 9])

# name: (arrays, the assignments that follow the advice of each error in turn, what is right).
CASES: dict[str, tuple[Arrays, list[list[str]], Arrays]] = {
    "16 bits": (
        both(DEEP, x_test=DEEP_TEST),
        [["x = x.astype(np.float32)", "x_test = x_test.astype(np.float32)"]],
        right(DEEP, x_test=DEEP_TEST),
    ),
    "12 bits with a sign": (
        both(CT, x_test=CT_TEST),
        [["x = x.astype(np.float32)", "x_test = x_test.astype(np.float32)"]],
        right(CT, x_test=CT_TEST),
    ),
    "bytes as int64": (
        both(GREY.astype(np.int64), x_test=GREY_TEST.astype(np.int64)),
        [["x = x.astype(np.uint8)", "x_test = x_test.astype(np.uint8)"]],
        right(),
    ),
    "bytes as int64, brighter ones for testing": (
        both(GREY.astype(np.int64), x_test=GREY_TEST.astype(np.int64) + 9),
        [["x = x.astype(np.float32)", "x_test = x_test.astype(np.float32)"]],
        right(GREY, x_test=GREY_TEST.astype(np.int64) + 9),
    ),
    "masks": (
        both(GREY > 99, x_test=GREY_TEST > 99),
        [["x = x.astype(np.float32)", "x_test = x_test.astype(np.float32)"]],
        right(GREY > 99, x_test=GREY_TEST > 99),
    ),
    "complex": (both(GREY + 0j), [["x = x.real", "x_test = x_test / 1.0"]], right()),
    "uint8 and floats to 1": (
        both(GREY, x_test=(GREY_TEST / 255).astype(np.float32)),
        [["x = x / np.float32(255)"]],
        right(GREY / 255, x_test=GREY_TEST / 255),
    ),
    "floats to 1 and uint8": (
        both((GREY / 255).astype(np.float32)),
        [["x_test = x_test / np.float32(255)"]],
        right(GREY / 255, x_test=GREY_TEST / 255),
    ),
    "floats to 1 and int64": (
        both((GREY / 255).astype(np.float32), x_test=GREY_TEST.astype(np.int64)),
        [["x_test = x_test / np.float32(255)"]],
        right(GREY / 255, x_test=GREY_TEST / 255),
    ),
    "uint8 and floats to 255": (
        both(GREY, x_test=GREY_TEST.astype(np.float32)),
        [["x = x.astype(np.float32)"]],
        right(),
    ),
    "NaN": (
        both(HOLED, x_test=GREY_TEST.astype(np.float32)),
        [["keep = np.isfinite(x).reshape(len(x), -1).all(1)", "x = x[keep]", "y = y[keep]"]],
        right(GREY[KEEP], LABELS[KEEP]),
    ),
    "too large for float32": (
        both(GREY * 1e300, x_test=GREY_TEST * 1e300),
        [["largest = np.abs(x).max()", "x = x / largest", "x_test = x_test / largest"]],
        right(GREY / GREY.max(), x_test=GREY_TEST / GREY.max()),
    ),
    "grey in a row": (
        both(GREY.reshape(COUNT, -1), x_test=GREY_TEST.reshape(TESTS, -1)),
        [["x = x.reshape(-1, 28, 28)"], ["x_test = x_test.reshape(-1, 28, 28)"]],
        right(),
    ),
    "planes in a row": (
        alone(COLOUR.transpose(0, 3, 1, 2).reshape(COUNT, -1)),
        [["x = x.reshape(-1, 3, 32, 32)"]],
        alone(COLOUR.transpose(0, 3, 1, 2)),
    ),
    "pixels in a row": (
        alone(COLOUR.reshape(COUNT, -1)),
        [["x = x.reshape(-1, 32, 32, 3)"]],
        alone(COLOUR.transpose(0, 3, 1, 2)),
    ),
    "images along the last axis, as MATLAB has them": (
        alone(COLOUR.transpose(1, 2, 3, 0)),
        [["x = np.moveaxis(x, 3, 0)"]],
        alone(COLOUR.transpose(0, 3, 1, 2)),
    ),
    "grey images along the last axis": (
        alone(GREY.transpose(1, 2, 0)), [["x = np.moveaxis(x, 2, 0)"]], alone()
    ),
    "opacity": (
        alone(np.concatenate([COLOUR, COLOUR[..., :1]], 3)),
        [["x = x[..., :3]"]],
        alone(COLOUR.transpose(0, 3, 1, 2)),
    ),
    "opacity of planes of grey": (
        alone(np.stack([GREY, 255 - GREY], 1)), [["x = x[:, :1]"]], alone()
    ),
    "an axis too many": (alone(GREY[..., None, None]), [["x = x[..., 0]"]], alone()),
    "labels in a column": (
        both(y=LABELS[:, None], y_test=LABELS_TEST[:, None]),
        [["y = y[:, 0]"], ["y_test = y_test[:, 0]"]],
        right(),
    ),
    "labels in a row": (alone(y=LABELS[None]), [["y = y.reshape(-1)"]], alone()),
    "labels with two axes too many": (
        alone(y=LABELS[:, None, None]), [["y = y.reshape(-1)"]], alone()
    ),
    "one-hot": (
        both(y=ONE_HOT[LABELS], y_test=ONE_HOT[LABELS_TEST] * 1.0),
        [["y = y.argmax(axis=1)"], ["y_test = y_test.argmax(axis=1)"]],
        right(),
    ),
    "one-hot, turned": (alone(y=ONE_HOT[LABELS].T), [["y = y.argmax(axis=0)"]], alone()),
    "labels from 1": (
        both(y=LABELS + 1, y_test=LABELS_TEST + 1), [["y = y - 1", "y_test = y_test - 1"]], right()
    ),
    "labels from 1, bytes": (
        both(y=(LABELS + 1).astype(np.uint8), y_test=(LABELS_TEST + 1).astype(np.uint8)),
        [["y = y - 1", "y_test = y_test - 1"]],
        right(),
    ),
    "labels from 1, without a test split": (alone(y=LABELS + 1), [["y = y - 1"]], alone()),
    "labels from -1": (
        both(y=LABELS - 1, y_test=LABELS_TEST - 1), [["y = y + 1", "y_test = y_test + 1"]], right()
    ),
    "labels with gaps": (
        both(y=LABELS * 7 + 3, y_test=LABELS_TEST * 7 + 3),
        [[
            "classes, y = np.unique(y, return_inverse=True)",
            "y_test = np.searchsorted(classes, y_test)",
        ]],
        right(),
    ),
    "labels with gaps, without a test split": (
        alone(y=LABELS * 7 + 3), [["y = np.unique(y, return_inverse=True)[1]"]], alone()
    ),
    "labels -1 and 1": (
        both(y=LABELS % 2 * 2 - 1, y_test=np.ones(TESTS, int)),
        [[
            "classes, y = np.unique(y, return_inverse=True)",
            "y_test = np.searchsorted(classes, y_test)",
        ]],
        right(y=LABELS % 2, y_test=np.ones(TESTS, int)),
    ),
    "large labels": (
        alone(y=LABELS * 10**12), [["y = np.unique(y, return_inverse=True)[1]"]], alone()
    ),
    "labels as numerals": (
        both(y=LABELS.astype(str), y_test=LABELS_TEST.astype(bytes)),
        [["y = y.astype(np.int64)", "y_test = y_test.astype(np.int64)"]],
        right(),
    ),
    "labels as names": (
        both(y=NAMES[LABELS], y_test=NAMES[LABELS_TEST]),
        [[
            "classes, y = np.unique(y, return_inverse=True)",
            "y_test = np.searchsorted(classes, y_test)",
        ]],
        right(y=SORTED[LABELS], y_test=SORTED[LABELS_TEST]),
    ),
    "truth values": (
        both(y=LABELS % 2 > 0, y_test=LABELS_TEST % 2 > 0),
        [["y = y.astype(np.uint8)"], ["y_test = y_test.astype(np.uint8)"]],
        right(y=LABELS % 2, y_test=LABELS_TEST % 2),
    ),
    "classes that y lacks": (
        both(y=LABELS % 5, y_test=LABELS_TEST),
        [["keep = np.isin(y_test, y)", "x_test = x_test[keep]", "y_test = y_test[keep]"]],
        right(y=LABELS % 5, x_test=GREY_TEST[LABELS_TEST < 5], y_test=LABELS_TEST[LABELS_TEST < 5]),
    ),
    "objects": (
        alone(np.array([*GREY, None], object)[:-1]), [["x = np.stack(x)"]], alone()
    ),
    "labels as objects": (alone(y=LABELS.astype(object)), [["y = y.astype(np.int64)"]], alone()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_arrays(tmp_path: Path, name: str) -> None:
    given, fixes, expected = CASES[name]
    path = tmp_path / "own.npz"
    arrays = dict(given)
    for fix in fixes:
        np.savez(path, **arrays)
        with pytest.raises(DataError) as caught:
            read_npz(path)
        follow(str(caught.value), fix, arrays)
    np.savez(path, **{key: arrays[key] for key in given})
    check(path, expected)


def follow(advice: str, fix: list[str], arrays: Arrays) -> None:
    """Do what an error says; each line of code is found in it, a name for a part of one apart."""
    for line in fix:
        target, _, code = line.partition(" = ")
        if "largest" not in line and code != "x_test / 1.0":
            assert line in advice or code in advice, advice
        exec(line, {"np": np}, arrays)
        assert target.split(",")[-1].strip() in arrays


def check(path: Path, expected: Arrays) -> None:
    """The file reads as these images and labels, whatever the axes and the dtype."""
    data = read_npz(path)
    x, y = data.x_train, data.y_train
    if "x_test" not in expected:  # what was split off, in the order of the labels
        x, y = np.concatenate([x, data.x_test]), np.concatenate([y, data.y_test])
        given, labels = pairs(expected["x"], expected["y"])
        x, y = pairs(x, y)
        np.testing.assert_array_equal(y, labels)
        np.testing.assert_array_equal(x, given)
        return
    for ours, key in ((x, "x"), (y, "y"), (data.x_test, "x_test"), (data.y_test, "y_test")):
        np.testing.assert_allclose(ours.ravel(), expected[key].ravel(), rtol=1e-6, err_msg=key)


def pairs(x: Array, y: Array) -> tuple[Array, Array]:
    """Images in rows, sorted with their labels."""
    rows = x.reshape(len(x), -1)
    order = np.lexsort([*rows.T[:8], y])
    return rows[order], y[order]


def test_a_column_is_no_one_hot() -> None:
    """The advice must not be what gave zeros for all labels."""
    assert (LABELS[:, None].argmax(axis=1) == 0).all()


def test_soft_and_several_labels_are_not_told_argmax(tmp_path: Path) -> None:
    several = np.tile([1, 1, 0], (COUNT, 1))
    for y in (several, np.zeros((COUNT, 3)), np.full((COUNT, 2), 0.5), np.ones((COUNT, 2))):
        np.savez(tmp_path / "own.npz", x=GREY, y=y)
        with pytest.raises(DataError, match="give each image one number") as caught:
            read_npz(tmp_path / "own.npz")
        assert "argmax" not in str(caught.value)


def test_splits_numbered_apart_are_not_cut_to_fit(tmp_path: Path) -> None:
    """Labels from 0 here and from 1 there: to leave out the last class would not mend them."""
    np.savez(tmp_path / "own.npz", **both(y_test=LABELS_TEST + 1))
    with pytest.raises(DataError, match="number both splits alike; if they are, and label 10"):
        read_npz(tmp_path / "own.npz")


def test_records(tmp_path: Path) -> None:
    path, records = tmp_path / "own.npz", np.rec.fromarrays([LABELS, LABELS * 2], names="label,b")
    np.savez(path, x=GREY, y=records)
    with pytest.raises(DataError, match=r"save one field, as y=records\['label'\]"):
        read_npz(path)
    np.savez(path, x=GREY, y=records["label"])
    check(path, alone())


def test_names_of_arrays(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x_train=GREY, y_train=LABELS, x_test=GREY_TEST, y_test=LABELS_TEST)
    fix = r"np\.savez\(path, x=images, y=labels, x_test=images, y_test=labels\)"
    with pytest.raises(DataError, match=fix):
        read_npz(path)
    np.savez(path, x=GREY, y=LABELS, x_test=GREY_TEST, y_test=LABELS_TEST)
    check(path, right())


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match=r"np\.savez_compressed\(path, x=images, y=labels\)"):
        read_npz(path)
    np.savez_compressed(path, x=GREY, y=LABELS)
    check(path, alone())


def test_one_value_in_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decompression bomb, or what looks like one and is meant."""
    path = tmp_path / "own.npz"
    monkeypatch.setattr(_files, "_SURELY_FINE", 1 << 16)
    x = np.zeros((COUNT, 64, 64), np.uint8)
    np.savez_compressed(path, x=x, y=LABELS)
    with pytest.raises(DataError, match="no pictures do; if they are meant, store them uncompr"):
        read_npz(path)
    np.savez(path, x=x, y=LABELS)
    check(path, alone(x))


# ---- the library -------------------------------------------------------------------------------


def said(call: Callable[[], Any]) -> str:
    """The text of the error that a call raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # any: its text is looked at
        call()
    return str(caught.value)


def equal(ours: npnet.Tensor, theirs: npnet.Tensor) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-6)


def test_losses_of_other_shapes() -> None:
    x, t = npnet.rand(6, 4), npnet.rand(6, 4)
    loss = F.mse_loss(x, t)
    assert "target.t()" in said(lambda: F.mse_loss(x, t.t()))
    equal(F.mse_loss(x, t.t().t()), loss)
    column = F.mse_loss(x[:, :1], t[:, :1])
    assert "target.reshape(6, 1)" in said(lambda: F.mse_loss(x[:, :1], t[:, 0]))
    equal(F.mse_loss(x[:, :1], t[:, 0].reshape(6, 1)), column)
    classes = npnet.tensor([0, 1, 2, 3, 0, 1])
    assert "one_hot(target.long(), 4).float()" in said(lambda: F.mse_loss(x, classes))
    hot = npnet.zeros(6, 4)
    hot[npnet.arange(6), classes] = 1.0
    equal(F.mse_loss(x, F.one_hot(classes.long(), 4).float()), F.mse_loss(x, hot))
    text = said(lambda: F.mse_loss(npnet.rand(2, 3, 4), npnet.rand(2, 4, 3)))
    assert "write" not in text  # to reshape would mix the values up


def test_class_numbers_of_other_shapes() -> None:
    x, target = npnet.randn(6, 4), npnet.tensor([0, 1, 2, 3, 0, 1])
    loss = F.cross_entropy(x, target)
    assert "target.reshape(6)" in said(lambda: F.cross_entropy(x, target[:, None]))
    equal(F.cross_entropy(x, target[:, None].reshape(6)), loss)
    hot = F.one_hot(target, 4)
    assert "target.float()" in said(lambda: F.cross_entropy(x, hot))
    equal(F.cross_entropy(x, hot.float()), loss)
    assert "target.long()" in said(lambda: F.cross_entropy(x, target.float()))
    equal(F.cross_entropy(x, target.float().long()), loss)
    images = npnet.zeros(6, 3, 2, dtype=npnet.int64)
    assert "write" not in said(lambda: F.cross_entropy(npnet.randn(6, 4, 2, 3), images))


def test_probabilities_that_are_none() -> None:
    target = npnet.tensor([1.0, 0.0])
    logits = npnet.tensor([2.0, -1.0])
    text = said(lambda: F.binary_cross_entropy(logits, target))
    assert "apply sigmoid, or use binary_cross_entropy_with_logits" in text
    equal(
        F.binary_cross_entropy(logits.sigmoid(), target),
        F.binary_cross_entropy_with_logits(logits, target),
    )
    rounded = npnet.tensor([1.0000001, 0.25])
    text = said(lambda: F.binary_cross_entropy(rounded, target))
    assert "input.clamp(0, 1)" in text
    assert "sigmoid" not in text
    exact = F.binary_cross_entropy(npnet.tensor([1.0, 0.25]), target)
    equal(F.binary_cross_entropy(rounded.clamp(0, 1), target), exact)
    log_probs = npnet.tensor([0.5, 0.25, 0.25]).log()
    assert "pass logits=" in said(lambda: Categorical(probs=log_probs))
    equal(Categorical(logits=log_probs).probs, log_probs.exp())
    below = npnet.tensor([-1e-9, 0.5, 0.5])
    text = said(lambda: Categorical(probs=below))
    assert "probs.clamp(min=0)" in text
    assert "logits" not in text
    equal(Categorical(probs=below.clamp(min=0)).probs, npnet.tensor([0.0, 0.5, 0.5]))


def test_parameters_that_are_results() -> None:
    weight = (npnet.ones(3, requires_grad=True) * 0.1) + 0
    assert "detach().requires_grad_()" in said(lambda: SGD([weight], lr=0.1))
    leaf = weight.detach().requires_grad_()
    optimizer = SGD([leaf], lr=0.1)
    leaf.sum().backward()
    before = leaf.detach().clone()
    optimizer.step()
    equal(leaf, before - 0.1)


def test_parameters_in_a_set() -> None:
    layer = nn.Linear(3, 2)
    text = said(lambda: SGD([{"params": set(layer.parameters())}], lr=0.1))
    assert "the order of module.parameters()" in text
    assert (
        SGD([{"params": layer.parameters()}], lr=0.1).param_groups[0]["params"][0] is layer.weight
    )


def test_adam_in_the_place_of_adamw() -> None:
    ours, theirs = (npnet.ones(3, requires_grad=True) for _ in range(2))
    text = said(lambda: AdamW([{"params": [ours], "decoupled_weight_decay": False}], lr=0.1))
    assert "use Adam with weight_decay=0.01" in text
    optimizers = Adam([ours], lr=0.1, weight_decay=0.01), Adam([theirs], lr=0.1)
    for p, optimizer in zip((ours, theirs), optimizers, strict=True):
        (p * npnet.tensor([0.0, 1.0, -1.0])).sum().backward()
        optimizer.step()
    assert ours[0] < theirs[0]  # a decay of 0, Adam's default, would leave it where it is


def test_masks_and_places() -> None:
    x, mask = npnet.tensor([1.0, 2.0, 3.0]), npnet.tensor([1, 0, 1], dtype=npnet.uint8)
    equal(x[mask], npnet.tensor([1.0, 3.0]))  # uint8 is a mask, as in PyTorch
    equal(x[mask.bool()], npnet.tensor([1.0, 3.0]))
    equal(x[mask.long()], npnet.tensor([2.0, 1.0, 2.0]))
    items = [10, 11, 12]
    flags = np.array([True, False, True])
    assert "np.flatnonzero(mask)" in said(lambda: Subset(items, flags))  # type: ignore[arg-type]
    assert list(Subset(items, np.flatnonzero(flags))) == [10, 12]  # type: ignore[arg-type,call-overload]


def test_views_and_integers() -> None:
    x = npnet.arange(6.0).reshape(2, 3)
    assert "use reshape() or contiguous()" in said(lambda: x.t().view(-1))
    equal(x.t().reshape(-1), npnet.tensor([0.0, 3, 1, 4, 2, 5]))
    equal(x.t().contiguous().view(-1), x.t().reshape(-1))
    whole = npnet.tensor([1, 2])
    assert "use x.float()" in said(whole.mean)
    assert whole.float().mean().item() == 1.5
    assert "use floats" in said(lambda: whole**-1)
    equal(whole.float() ** -1, npnet.tensor([1.0, 0.5]))
    assert "flatten the images first: x.flatten(1)" in said(
        lambda: nn.Linear(12, 2)(npnet.rand(5, 3, 2, 2))
    )
    assert nn.Linear(12, 2)(npnet.rand(5, 3, 2, 2).flatten(1)).shape == (5, 2)


def test_what_is_saved_in_another_form() -> None:
    for array in (
        np.arange(3),
        np.ones(3, np.float16),
        np.ones(3, ">f4"),
        np.arange(3, dtype="u2"),
    ):
        file = io.BytesIO()
        npnet.save(array, file)  # as it is, by pickle
        file.seek(0)
        assert "weights_only=False" in said(lambda f=file: npnet.load(f))
        file.seek(0)
        np.testing.assert_array_equal(npnet.load(file, weights_only=False), array)
        file = io.BytesIO()
        npnet.save(npnet.from_numpy(array), file)
        file.seek(0)
        np.testing.assert_array_equal(npnet.load(file).numpy(), array)
    layer, file = nn.Linear(3, 2), io.BytesIO()
    npnet.save(layer.state_dict(), file)
    file.seek(0)
    again = nn.Linear(3, 2)
    again.load_state_dict(npnet.load(file))
    equal(again.weight, layer.weight)


def test_checkpoints_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    np.savez(path.with_suffix(".npz"), weight=np.arange(3))
    os.rename(path.with_suffix(".npz"), path)
    assert "numpy.load reads; make tensors of its arrays by from_num" in said(
        lambda: npnet.load(path)
    )
    with np.load(path) as archive:
        equal(npnet.from_numpy(archive["weight"]), npnet.arange(3))


def test_gradients_that_are_asked_for_otherwise() -> None:
    x = npnet.tensor([1.0, 2.0], requires_grad=True)
    assert "use loss.mean().backward()" in said((x * 2).backward)
    (x * 2).mean().backward()
    assert x.grad is not None
    equal(x.grad, npnet.tensor([1.0, 1.0]))
    assert "use tensor.detach().numpy()" in said(x.numpy)
    np.testing.assert_array_equal(x.detach().numpy(), [1.0, 2.0])
    y = x.exp()
    y += 1
    assert "write out of place there" in said(y.sum().backward)
    z = x.exp()
    z = z + 1
    z.sum().backward()
