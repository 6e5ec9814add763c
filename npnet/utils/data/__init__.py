"""Data sets, samplers and the loader that makes batches: the names of `torch.utils.data`."""

from npnet.utils.data.collate import default_collate, default_convert
from npnet.utils.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from npnet.utils.data.loader import DataLoader
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
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "random_split",
]
