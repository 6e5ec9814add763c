"""After the MNIST program among PyTorch's examples; dropout draws otherwise in npnet."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(1152, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(x)
        x = self.conv2(x)
        x = F.relu(x)
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = F.relu(x)
        x = self.dropout2(x)
        x = self.fc2(x)
        output = F.log_softmax(x, dim=1)
        return output


def train(model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % 2 == 0:
            print(
                "Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss: {:.6f}".format(
                    epoch,
                    batch_idx * len(data),
                    len(train_loader.dataset),
                    100.0 * batch_idx / len(train_loader),
                    loss.item(),
                )
            )


def test(model, device, test_loader):
    model.eval()
    test_loss = 0
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    test_loss /= len(test_loader.dataset)
    return test_loss, correct


def main(images, labels, start, folder):
    use_cuda = torch.cuda.is_available()
    torch.manual_seed(1)
    if use_cuda:
        device = torch.device("cuda")
    else:
        device = torch.device("cpu")
    data = TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    train_loader = DataLoader(data, batch_size=32, shuffle=True, num_workers=0, pin_memory=False)
    test_loader = DataLoader(data, batch_size=100)

    model = Net().to(device)
    start(model)
    before = test(model, device, test_loader)
    optimizer = optim.Adadelta(model.parameters()) if use_cuda else optim.Adam(model.parameters())
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 3):
        train(model, device, train_loader, optimizer, epoch)
        scheduler.step()
    after = test(model, device, test_loader)
    torch.save(model.state_dict(), folder / "mnist_cnn.pt")
    again = Net()
    again.load_state_dict(torch.load(folder / "mnist_cnn.pt"))
    assert test(again, device, test_loader) == after
    return {
        "before": before,
        "learnt": after[0] < before[0],
        "rate": scheduler.get_last_lr()[0],
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
