"""A Siamese network with a contrastive loss of its own, on pairs."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from shared import BATCH, STEPS, digits, start


class SiameseNetworkDataset(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __getitem__(self, index):
        i = random.randrange(len(self.labels))
        should_get_same_class = random.randint(0, 1)
        while True:
            j = random.randrange(len(self.labels))
            if (self.labels[i] == self.labels[j]) == bool(should_get_same_class):
                break
        return (
            self.images[i],
            self.images[j],
            torch.tensor([float(self.labels[i] != self.labels[j])]),
        )

    def __len__(self):
        return BATCH * STEPS


class SiameseNetwork(nn.Module):
    def __init__(self):
        super(SiameseNetwork, self).__init__()
        self.cnn1 = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(1, 4, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(4),
            nn.MaxPool2d(2),
            nn.ReflectionPad2d(1),
            nn.Conv2d(4, 8, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(8),
            nn.MaxPool2d(2),
        )
        self.fc1 = nn.Sequential(nn.Linear(8 * 7 * 7, 32), nn.ReLU(inplace=True), nn.Linear(32, 5))

    def forward_once(self, x):
        output = self.cnn1(x)
        output = output.view(output.size()[0], -1)
        return self.fc1(output)

    def forward(self, input1, input2):
        return self.forward_once(input1), self.forward_once(input2)


class ContrastiveLoss(torch.nn.Module):
    def __init__(self, margin=2.0):
        super(ContrastiveLoss, self).__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        euclidean_distance = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean(
            (1 - label) * torch.pow(euclidean_distance, 2)
            + (label) * torch.pow(torch.clamp(self.margin - euclidean_distance, min=0.0), 2)
        )


net = start(SiameseNetwork())
criterion = ContrastiveLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.0005)
losses = []
for i, (img0, img1, label) in enumerate(
    DataLoader(SiameseNetworkDataset(*digits()), shuffle=True, batch_size=BATCH)
):
    optimizer.zero_grad()
    output1, output2 = net(img0, img1)
    loss_contrastive = criterion(output1, output2, label)
    loss_contrastive.backward()
    optimizer.step()
    losses.append(loss_contrastive.item())
