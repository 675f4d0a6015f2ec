"""Trains the bundled demo model on recorded readings of the simulated greenhouse. Needs python3-torch and python3-onnx.

    python3 train.py readings.csv      writes greenhouse.onnx and greenhouse.json
"""
import csv
import json
import sys

import numpy as np
import torch

COLUMNS = ["temperature", "humidity", "light", "co2"]
UNITS = ["degC", "%", "klx", "ppm"]
HORIZONS = [1, 10, 25]  # ticks of 0.2 s
HIDDEN, LENGTH, BATCH, EPOCHS = 32, 100, 32, 240

torch.manual_seed(1)
with open(sys.argv[1], newline="") as file:
    rows = np.array([[float(row[column]) for column in COLUMNS] for row in csv.DictReader(file)], dtype=np.float64)
train_end, far = len(rows) * 4 // 5, max(HORIZONS)
mean, std = rows[:train_end].mean(0), rows[:train_end].std(0)
x = torch.tensor((rows - mean) / std, dtype=torch.float32)
target = torch.cat([x[h : len(x) - far + h] for h in HORIZONS], 1)  # row t: every column at t+1, t+10, t+25

# An output weighs by how far its column moves over its horizon: a near forecast must be as good, for its kind, as a far one.
weight = (target - x[: len(target)].repeat(1, len(HORIZONS)))[:train_end].square().mean(0).clamp(min=1e-3).rsqrt()


class Greenhouse(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(len(COLUMNS), HIDDEN)
        self.head = torch.nn.Linear(HIDDEN, len(COLUMNS) * len(HORIZONS))

    def forward(self, x, h, c):
        y, (hn, cn) = self.rnn(x, (h, c))
        return self.head(y.squeeze(1)) if x.shape[0] == 1 else self.head(y), hn, cn


model = Greenhouse()
optimiser = torch.optim.Adam(model.parameters(), lr=6e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
usable = train_end - far
strand = usable // BATCH  # BATCH strands of consecutive rows, state carried along each
xs = x[: strand * BATCH].view(BATCH, strand, -1).transpose(0, 1)
ys = target[: strand * BATCH].view(BATCH, strand, -1).transpose(0, 1)
for epoch in range(EPOCHS):
    h = c = torch.zeros(1, BATCH, HIDDEN)
    total = 0.0
    for begin in range(0, strand - LENGTH, LENGTH):
        y, h, c = model(xs[begin : begin + LENGTH], h.detach(), c.detach())
        loss = ((y - ys[begin : begin + LENGTH]) * weight).square().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        total += loss.item()
    schedule.step()
    if epoch % 20 == 19:
        print(f"epoch {epoch + 1}: weighted squared error {total / max(1, (strand - LENGTH) // LENGTH):.5f}")

model.eval()
state = torch.zeros(1, 1, HIDDEN)
torch.onnx.export(
    model, (torch.zeros(1, 1, len(COLUMNS)), state, state), "greenhouse.onnx",
    input_names=["x", "h", "c"], output_names=["y", "hn", "cn"], opset_version=15,
)
with open("greenhouse.json", "w") as file:
    json.dump({
        "name": "greenhouse",
        "columns": COLUMNS,
        "units": UNITS,
        "period_seconds": 0.2,
        "mean": mean.tolist(),
        "std": std.tolist(),
        "outputs_named": [f"{column}[t+{h}]" for h in HORIZONS for column in COLUMNS],
        "train_rows": [0, train_end],
        "test_rows": [train_end, len(rows)],
    }, file, indent=1)
