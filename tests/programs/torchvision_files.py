"""torchvision's MNIST from its files: a picture, its label, transforms, and what the set says."""

import numpy as np
import torch
import torch.nn as nn
import torchvision
from torchvision import datasets, transforms

from shared import BATCH, STEPS, arrays, start

torchvision.datasets.FakeData  # noqa: B018
data = datasets.FakeData(size=BATCH * 4, image_size=(3, 32, 32), num_classes=10)
image, label = data[0]
print(type(image), image.size, label)
array, labels = arrays(size=28)


class Pictures(torch.utils.data.Dataset):
    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return BATCH * STEPS

    def __getitem__(self, i):
        picture = transforms.ToPILImage()(torch.from_numpy(array[i]).unsqueeze(0))
        return (self.transform(picture) if self.transform else picture), int(labels[i])


transform = transforms.Compose(
    [
        transforms.Resize((20, 20)),
        transforms.CenterCrop(16),
        transforms.Pad(2),
        transforms.Grayscale(num_output_channels=1),
        transforms.ToTensor(),
        transforms.Lambda(lambda t: t.clamp(0, 0.9)),
        transforms.Normalize((0.1307,), (0.3081,)),
    ]
)
assert Pictures()[0][0].size == (28, 28)
loader = torch.utils.data.DataLoader(Pictures(transform), batch_size=BATCH)
net = start(
    nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Hardsigmoid(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 81, 10)
    )
)
optimizer = torch.optim.ASGD(net.parameters(), lr=0.1)
losses = []
for x, y in loader:
    loss = nn.CrossEntropyLoss()(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
grid = torchvision.utils.make_grid(x[:4], nrow=2, normalize=True)
losses += [grid.mean().item(), float(np.transpose(grid.numpy(), (1, 2, 0)).shape[0])]
