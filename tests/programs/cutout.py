"""Cutout as a transform of one's own between torchvision's, on PIL pictures of three channels."""

import numpy as np
import torch
import torch.nn as nn
import torchvision.transforms as transforms
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from shared import BATCH, arrays, start


class Cutout(object):
    """Randomly mask out one or more patches from an image."""

    def __init__(self, n_holes, length):
        self.n_holes = n_holes
        self.length = length

    def __call__(self, img):
        h = img.size(1)
        w = img.size(2)
        mask = np.ones((h, w), np.float32)
        for n in range(self.n_holes):
            y = np.random.randint(h)
            x = np.random.randint(w)
            y1, y2 = np.clip(y - self.length // 2, 0, h), np.clip(y + self.length // 2, 0, h)
            x1, x2 = np.clip(x - self.length // 2, 0, w), np.clip(x + self.length // 2, 0, w)
            mask[y1:y2, x1:x2] = 0.0
        mask = torch.from_numpy(mask)
        mask = mask.expand_as(img)
        return img * mask


class Pictures(Dataset):
    def __init__(self, transform):
        self.data, self.targets = arrays(size=32, channels=3)
        self.transform = transform

    def __getitem__(self, index):
        img, target = Image.fromarray(self.data[index]), self.targets[index]
        return self.transform(img), target

    def __len__(self):
        return len(self.data)


normalize = transforms.Normalize(
    mean=[x / 255.0 for x in [125.3, 123.0, 113.9]], std=[x / 255.0 for x in [63.0, 62.1, 66.7]]
)
train_transform = transforms.Compose([])
train_transform.transforms.append(transforms.ToTensor())
train_transform.transforms.append(normalize)
train_transform.transforms.append(Cutout(n_holes=1, length=8))
cnn = start(
    nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
)
criterion = nn.CrossEntropyLoss()
cnn_optimizer = torch.optim.SGD(
    cnn.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
)
scheduler = torch.optim.lr_scheduler.MultiStepLR(
    cnn_optimizer, milestones=[60, 120, 160], gamma=0.2
)
losses = []
for images, labels in DataLoader(Pictures(train_transform), batch_size=BATCH, shuffle=True):
    cnn.zero_grad()
    pred = cnn(images)
    xentropy_loss = criterion(pred, labels)
    xentropy_loss.backward()
    cnn_optimizer.step()
    losses.append(xentropy_loss.item())
    scheduler.step()
