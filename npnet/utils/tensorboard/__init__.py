"""`SummaryWriter`: what TensorBoard shows, under the name of `torch.utils.tensorboard`."""

from npnet.utils.tensorboard.writer import SummaryWriter

__all__ = ["SummaryWriter"]
