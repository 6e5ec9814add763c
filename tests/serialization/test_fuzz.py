"""Damaged safetensors files: each is refused in one line, or read as the library reads it."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import npnet
from npnet import models
from npnet.models.checkpoint import BEST, Facts
from npnet.models.preprocess import Pixels
from npnet.serialization import CheckpointError, load, to_bytes
from tests.campaign import trials
from tests.odd_values import damaged, mutated

pytestmark = pytest.mark.campaign

FACTS = Facts(
    "lenet4", {"in_channels": 1, "num_classes": 4}, "mnist", ("a", "b", "c", "d"), (1, 32, 32),
    (0.5,), (0.25,), Pixels(), 3, 98.5,
)  # fmt: skip


def plain_file() -> bytes:
    """As other programs write it: no checksum."""
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.standard_normal((2, 3), np.float32),
        "n": np.arange(3),
        "b": np.array([True, False]),
        "é": np.array(2.5, np.float16),
        "none": np.empty((0, 2)),
    }
    return safetensors.numpy.save(arrays, {"format": "pt"})


def check_text(error: Exception) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 800


def read(data: bytes) -> Any:
    """What npnet.load gives, or None where it refuses in one line; any other error passes."""
    try:
        return load(io.BytesIO(data))
    except CheckpointError as error:
        check_text(error)
        return None


def check_as_the_library(data: bytes) -> bool:
    """Whether the file is read; if so, as the library reads it, and if not, neither does it."""
    ours = read(data)
    try:
        theirs: Any = safetensors.numpy.load(data)
    except KeyError:  # bfloat16 and float8, which the library has no arrays of in NumPy
        return ours is not None
    except (safetensors.SafetensorError, ValueError, TypeError, OverflowError):
        theirs = None
    if ours is not None:
        assert theirs is not None, data
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            assert (tensor.dtype, tensor.shape) == (theirs[name].dtype, theirs[name].shape)
            same = (tensor.array != 0).tobytes() == (theirs[name] != 0).tobytes()
            assert (
                same if tensor.dtype == bool else tensor.array.tobytes() == theirs[name].tobytes()
            )
    else:
        # JSON may say a name twice, which the format forbids and the library overlooks.
        assert theirs is None or _says_twice(data), data
    return ours is not None


def _says_twice(data: bytes) -> bool:
    seen: list[bool] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")], object_pairs_hook=note)
    return any(seen)


def with_header(data: bytes, rng: random.Random) -> bytes:
    size = int.from_bytes(data[:8], "little")
    header = mutated(json.loads(data[8 : 8 + size]), rng)
    text = json.dumps(header).encode("utf-8", "replace")
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def test_damaged_bytes_of_others_files() -> None:
    rng, data = random.Random(1), plain_file()
    count = trials(400, 20_000)
    taken = sum(check_as_the_library(damaged(data, rng)) for _ in range(count))
    assert taken < count  # values have no checksum there: some damages can't be seen
    print(f"{count} files of others with damaged bytes: {count - taken} refused")


def test_headers_with_odd_values() -> None:
    rng, data = random.Random(2), plain_file()
    count = trials(400, 20_000)
    taken = sum(check_as_the_library(with_header(data, rng)) for _ in range(count))
    print(f"{count} headers with odd values: {count - taken} refused")


def test_damaged_bytes_of_npnets_files() -> None:
    rng, tree = random.Random(3), {"w": npnet.arange(5.0), "n": [1, {2: None}]}
    data = to_bytes(tree, FACTS.to_metadata())
    count = trials(400, 20_000)
    for _ in range(count):
        changed = damaged(data, rng)
        loaded = read(changed)
        if loaded is not None:  # the same content in other bytes, such as a space in the header
            assert to_bytes(loaded) == to_bytes(tree), changed
    print(f"{count} files of npnet with damaged bytes: none was read as anything else")


def test_facts_with_odd_values(tmp_path: Path) -> None:
    """The checksum is right, and the metadata of a best.safetensors are not."""
    rng, weights = random.Random(4), models.create("lenet4", num_classes=4).state_dict()
    plain = {
        k: json.loads(v) if v[0] in '[{"0123456789' else v for k, v in FACTS.to_metadata().items()
    }
    count, taken = trials(60, 3_000), 0
    for _ in range(count):
        facts = mutated(plain, rng)
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
        (tmp_path / BEST).write_bytes(to_bytes(weights, texts))
        try:
            model = models.from_checkpoint(tmp_path)
        except CheckpointError as error:
            check_text(error)
            continue
        taken += 1
        picture = np.zeros(model.checkpoint.image_shape[1:])
        with npnet.no_grad():
            assert model(model.preprocess(picture)).shape == (1, 4)  # what is taken can be used
    print(f"{count} best.safetensors with odd facts: {count - taken} refused")
