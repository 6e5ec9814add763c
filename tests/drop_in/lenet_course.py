"""A course exercise: LeNet, a validation split, the best weights kept, clipping, a schedule."""

import copy
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split


def set_seed(seed):
    random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


class LeNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = self.pool(torch.tanh(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.leaky_relu(self.fc2(x), 0.1)
        return self.fc3(x)

    def num_flat_features(self, x):
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features


def run_epoch(model, loader, criterion, device, optimizer=None):
    model.train(optimizer is not None)
    total, correct, running_loss = 0, 0, 0.0
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            x = x.to(device, non_blocking=True)
            y = y.to(device=device, dtype=torch.long)
            outputs = model(x)
            loss = criterion(outputs, y)
            if optimizer is not None:
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                clip_grad_norm_(model.parameters(), max_norm=1.0)
                optimizer.step()
            _, predicted = torch.max(outputs.data, 1)
            total += y.size(0)
            correct += (predicted == y).sum().item()
            running_loss += loss.item() * x.size(0)
            for t, p in zip(y.view(-1), predicted.view(-1)):
                confusion[t.long(), p.long()] += 1
    assert confusion.sum().item() == total
    assert confusion.diag().sum().item() == correct
    return running_loss / total, 100.0 * correct / total


def main(images, labels, start, folder):
    set_seed(42)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    X = torch.tensor(images, dtype=torch.float32)
    y = torch.tensor(labels, dtype=torch.long)
    mean, std = X.mean(), X.std()
    X = (X - mean) / std
    dataset = TensorDataset(X, y)
    n_val = int(0.2 * len(dataset))
    train_set, val_set = random_split(
        dataset, [len(dataset) - n_val, n_val], generator=torch.Generator().manual_seed(0)
    )
    assert sorted(train_set.indices + val_set.indices) == list(range(len(dataset)))
    # The two libraries split otherwise; from here on by position.
    train_set, val_set = Subset(dataset, range(n_val, len(dataset))), Subset(dataset, range(n_val))
    train_loader = DataLoader(train_set, batch_size=25, shuffle=False, drop_last=True)
    val_loader = DataLoader(val_set, batch_size=25, shuffle=False)

    model = LeNet().to(device)
    start(model)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    history, best_loss, best_weights = [], float("inf"), None
    for _ in range(3):
        train_loss, train_acc = run_epoch(model, train_loader, criterion, device, optimizer)
        val_loss, val_acc = run_epoch(model, val_loader, criterion, device)
        scheduler.step()
        history.append((train_loss, train_acc, val_loss, val_acc, optimizer.param_groups[0]["lr"]))
        if val_loss < best_loss:
            best_loss, best_weights = val_loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    assert np.isclose(run_epoch(model, val_loader, criterion, device)[0], best_loss)
    return {"history": history}
