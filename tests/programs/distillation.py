"""Knowledge distillation: soft targets of a teacher at a temperature."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


def loss_fn_kd(outputs, labels, teacher_outputs, alpha=0.9, T=4.0):
    return nn.KLDivLoss(reduction="batchmean")(
        F.log_softmax(outputs / T, dim=1), F.softmax(teacher_outputs / T, dim=1)
    ) * (alpha * T * T) + F.cross_entropy(outputs, labels) * (1.0 - alpha)


teacher = start(nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)))
student = start(
    nn.Sequential(nn.Conv2d(1, 4, 5, 3), nn.Softplus(), nn.Flatten(), nn.Linear(256, 10)), seed=2
)
images, labels = digits()
losses = []
t_optimizer = torch.optim.Adagrad(teacher.parameters(), lr=0.01)
s_optimizer = torch.optim.Adam(student.parameters(), lr=0.005)
for net, optimizer in ((teacher, t_optimizer), (student, s_optimizer)):
    for i in range(STEPS):
        x, y = images[i * BATCH : (i + 1) * BATCH], labels[i * BATCH : (i + 1) * BATCH]
        if net is teacher:
            loss = F.cross_entropy(teacher(x), y)
        else:
            teacher.eval()
            with torch.no_grad():
                soft = teacher(x)
            loss = loss_fn_kd(student(x), y, soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
