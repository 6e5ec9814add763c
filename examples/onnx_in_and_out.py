"""ONNX, out and in: a trained network is exported, run by another library, and read back.

    python examples/onnx_in_and_out.py            needs pip install 'npnet[onnx]'

Where onnxruntime is installed, it runs the file too.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path

import numpy as np

import npnet
import npnet.onnx
from npnet import datasets
from npnet.training import Trainer

CLOSE = 1e-4  # of logits of some tens, in float32, added up in another order


def main(epochs: int, folder: Path) -> None:
    data = datasets.load("digits")
    trainer = Trainer(
        "lenet5", train="digits", epochs=epochs, optimizer="adam", learning_rate=3e-3,
        checkpoint_dir=str(folder / "checkpoint"), verbose=False,
    )  # fmt: skip
    print(f"test accuracy {trainer.fit().test_accuracy:.1f} %")
    net = npnet.models.from_checkpoint(folder / "checkpoint")
    images = net.preprocess(data.x_test)
    with npnet.no_grad():
        logits = net(images).numpy()

    path = folder / "lenet5.onnx"
    npnet.onnx.export(net, path)
    print(f"{path.name}: {path.stat().st_size:,} bytes")

    if importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (theirs,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        difference = np.abs(theirs - logits).max()
        assert difference < CLOSE
        print(f"onnxruntime {onnxruntime.__version__}: logits differ by {difference:.1e} at most")
    else:
        print("onnxruntime is not installed: not compared with it")

    again = npnet.onnx.load(path)
    print("read back:", ", ".join(name for name, _ in again.named_parameters()))
    print("the file says of itself:", again.metadata["model"], "on", again.metadata["dataset"])
    with npnet.no_grad():
        difference = np.abs(again(images).numpy() - logits).max()
    assert difference < CLOSE
    print(f"read back by npnet: logits differ by {difference:.1e} at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        main(args.epochs, Path(made))
