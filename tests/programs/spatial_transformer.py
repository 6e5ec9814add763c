"""A spatial transformer: a localization net, affine_grid and grid_sample."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

from shared import BATCH, STEPS, digits, start


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 5, kernel_size=5)
        self.conv2 = nn.Conv2d(5, 10, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(160, 25)
        self.fc2 = nn.Linear(25, 10)
        self.localization = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=7),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
            nn.Conv2d(8, 10, kernel_size=5),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(True),
        )
        self.fc_loc = nn.Sequential(nn.Linear(10 * 3 * 3, 32), nn.ReLU(True), nn.Linear(32, 3 * 2))

    def stn(self, x):
        xs = self.localization(x)
        xs = xs.view(-1, 10 * 3 * 3)
        theta = self.fc_loc(xs)
        theta = theta.view(-1, 2, 3)
        grid = F.affine_grid(theta, x.size(), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    def forward(self, x):
        x = self.stn(x)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 160)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


model = start(Net(), seed=1)
model.fc_loc[2].weight.data.zero_()
# Not the identity: there every point lies on a pixel, where the slope is of one side or the other.
model.fc_loc[2].bias.data.copy_(
    torch.tensor([0.93, 0.05, 0.03, -0.04, 0.91, 0.02], dtype=torch.float)
)
optimizer = optim.SGD(model.parameters(), lr=0.003)
images, labels = digits()
losses = []
model.train()
for i in range(STEPS):
    optimizer.zero_grad()
    loss = F.nll_loss(
        model(images[i * BATCH : (i + 1) * BATCH]), labels[i * BATCH : (i + 1) * BATCH]
    )
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
