#!/usr/bin/env python3
"""Trains a forecaster on recorded readings and writes NAME.onnx and its manifest NAME.json, ready for edge-quantize.

    python3 train.py readings.csv --columns temperature:degC humidity:% --period 1 --horizons 1 10 60 --name greenhouse

Needs torch and numpy (and the onnx package, if torch's exporter asks for it). See docs/train.md.
"""
import argparse
import csv
import json

import numpy as np
import torch

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("readings", help="CSV with a header; one row a tick, oldest first")
parser.add_argument("--columns", nargs="+", required=True, metavar="NAME[:UNIT]", help="what the model reads and forecasts")
parser.add_argument("--period", type=float, required=True, help="seconds from one row to the next")
parser.add_argument("--horizons", type=int, nargs="+", default=[1], help="how many rows ahead to forecast")
parser.add_argument("--name", default="model")
parser.add_argument("--kind", choices=["LSTM", "GRU", "RNN"], default="LSTM")
parser.add_argument("--hidden", type=int, default=32)
parser.add_argument("--layers", type=int, default=1)
parser.add_argument("--epochs", type=int, default=240)
options = parser.parse_args()

LENGTH, STRANDS = 100, 32  # rows per gradient step, and how many strands of the recording are trained side by side
columns = [column.partition(":")[0] for column in options.columns]
units = [column.partition(":")[2] for column in options.columns]
horizons, far = options.horizons, max(options.horizons)

torch.manual_seed(1)
with open(options.readings, newline="") as file:
    rows = np.array([[float(row[column]) for column in columns] for row in csv.DictReader(file)], dtype=np.float64)

# The last fifth is never trained on: edge-quantize scores on it. Mean and deviation are of the training rows alone.
train_end = len(rows) * 4 // 5
mean, std = rows[:train_end].mean(0), rows[:train_end].std(0)
x = torch.tensor((rows - mean) / std, dtype=torch.float32)
target = torch.cat([x[h : len(x) - far + h] for h in horizons], 1)  # row t: every column at each horizon

# An output weighs by how far its column moves over its horizon: a near forecast must be as good, for its kind, as a far one.
weight = (target - x[: len(target)].repeat(1, len(horizons)))[:train_end].square().mean(0).clamp(min=1e-3).rsqrt()


class Forecaster(torch.nn.Module):
    """One step or a sequence [time, batch, columns], the state in and out."""

    def __init__(self):
        super().__init__()
        self.rnn = getattr(torch.nn, options.kind)(len(columns), options.hidden, options.layers)
        self.head = torch.nn.Linear(options.hidden, len(columns) * len(horizons))

    def forward(self, x, *state):
        y, new = self.rnn(x, state if options.kind == "LSTM" else state[0])
        return (self.head(y.squeeze(1)) if x.shape[0] == 1 else self.head(y), *(new if options.kind == "LSTM" else (new,)))


model = Forecaster()
zero = lambda batch: (torch.zeros(options.layers, batch, options.hidden),) * (2 if options.kind == "LSTM" else 1)
optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
strand = (train_end - far) // STRANDS  # the state is carried along each strand, as it will be on the device
xs = x[: strand * STRANDS].view(STRANDS, strand, -1).transpose(0, 1)
ys = target[: strand * STRANDS].view(STRANDS, strand, -1).transpose(0, 1)
for epoch in range(options.epochs):
    state, total = zero(STRANDS), 0.0
    for begin in range(0, strand - LENGTH, LENGTH):
        y, *state = model(xs[begin : begin + LENGTH], *(part.detach() for part in state))
        loss = ((y - ys[begin : begin + LENGTH]) * weight).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    schedule.step()
    if epoch % 20 == 19:
        print(f"epoch {epoch + 1}: weighted squared error {total / max(1, (strand - LENGTH) // LENGTH):.5f}")

model.eval()
names = ["h", "c"][: len(zero(1))]
torch.onnx.export(
    model, (torch.zeros(1, 1, len(columns)), *zero(1)), f"{options.name}.onnx",
    input_names=["x", *names], output_names=["y", *(f"{name}n" for name in names)], opset_version=15,
)
with open(f"{options.name}.json", "w") as file:
    json.dump({
        "name": options.name,
        "columns": columns,
        "units": units,
        "period_seconds": options.period,
        "mean": mean.tolist(),
        "std": std.tolist(),
        "outputs_named": [f"{column}[t+{h}]" for h in horizons for column in columns],
        "train_rows": [0, train_end],
        "test_rows": [train_end, len(rows)],
    }, file, indent=1)
