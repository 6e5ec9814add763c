"""State dicts from an address: downloaded once, checked, read as PyTorch reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

import npnet
from npnet import hub
from npnet.utils import model_zoo


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Of a state dict that PyTorch saved, under a name that ends with its SHA-256."""
    path = tmp_path / "there" / "net.pth"
    path.parent.mkdir()
    torch.save({"w": torch.arange(3.0)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"net-{digest[:8]}.pth")).as_uri()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "_chosen", [])
    return tmp_path


@pytest.mark.parametrize("load", [hub.load_state_dict_from_url, model_zoo.load_url])
def test_it_is_downloaded_once(load: Any, address: str, home: Path, capsys: Any) -> None:
    assert load(address, check_hash=True)["w"].tolist() == [0, 1, 2]
    assert "Downloading" in capsys.readouterr().err
    kept = home / "hub" / "checkpoints" / address.rpartition("/")[2]
    npnet.save({"w": npnet.ones(1)}, kept)
    assert load(address)["w"].tolist() == [1]  # from the folder, where another now is
    assert not capsys.readouterr().err


def test_the_folder_is_pytorchs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert hub.get_dir() == torch.hub.get_dir()
    monkeypatch.delenv("TORCH_HOME")
    assert hub.get_dir() == torch.hub.get_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert hub.get_dir() == torch.hub.get_dir()
    hub.set_dir(tmp_path / "mine")
    assert hub.get_dir() == str(tmp_path / "mine")


def test_it_is_found_under_another_name(address: str, tmp_path: Path) -> None:
    hub.load_state_dict_from_url(address, tmp_path, progress=False, file_name="mine.pth")
    assert (tmp_path / "mine.pth").exists()


def test_another_file_is_refused(address: str, tmp_path: Path) -> None:
    wrong = "net-00000000.pth"
    for call in (
        lambda: hub.load_state_dict_from_url(address, file_name=wrong, check_hash=True),
        lambda: hub.download_url_to_file(address, tmp_path / "file", "0000"),
    ):
        with pytest.raises(RuntimeError, match="must begin with 0000"):
            call()
    assert not (tmp_path / "hub").exists()
    assert not (tmp_path / "file").exists()


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    address = (tmp_path / "missing.pth").as_uri()
    with pytest.raises(URLError, match=r"could not be downloaded .*put the file at .*missing\.pth"):
        hub.load_state_dict_from_url(address)


def test_a_process_alone_is_in_no_group() -> None:
    distributed = npnet.distributed
    assert not distributed.is_initialized()
    assert not distributed.is_nccl_available()
    with pytest.raises(RuntimeError, match="backend must be 'mpi', got 'gloo'"):
        distributed.init_process_group("gloo")
    for call in (distributed.get_rank, distributed.barrier, distributed.get_world_size):
        with pytest.raises(RuntimeError, match=r"call npnet\.distributed\.init\(\) first"):
            call()
    with pytest.raises(AttributeError, match="use mpi4py for what is not here"):
        distributed.reduce_scatter  # noqa: B018


def test_sparse_is_dense() -> None:
    assert npnet.sparse.torch is npnet
    x = npnet.arange(4.0).reshape(2, 2)
    assert npnet.sparse.mm(x, x).tolist() == (x @ x).tolist()
    assert npnet.sparse.sum(x, 0).tolist() == [2, 4]
    with pytest.raises(AttributeError, match="all tensors are dense"):
        npnet.sparse.softmax  # noqa: B018
