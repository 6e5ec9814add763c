"""Data sets, samplers and the loader that makes batches: the names of `torch.utils.data`."""

from npnet.utils.data import (
    _utils,  # noqa: F401  # whose collate programs import
    distributed,
)
from npnet.utils.data.collate import default_collate, default_convert
from npnet.utils.data.dataloader import DataLoader, get_worker_info
from npnet.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from npnet.utils.data.distributed import DistributedSampler
from npnet.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "distributed",
    "get_worker_info",
    "random_split",
]
