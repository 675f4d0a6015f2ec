"""Epochs of an LSTM 7x64 in PyTorch: batch 8, 24 steps, Adam, clipping. Prints wall and CPU seconds of each epoch as JSON."""
import json
import sys
import time

import numpy
import torch

rows, epochs, threads = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(1)
x = torch.from_numpy(numpy.random.default_rng(1).standard_normal((rows, 7)).astype("float32"))
batch, steps = 8, 24
length = rows // batch
net, head = torch.nn.LSTM(7, 64), torch.nn.Linear(64, 7)
parameters = [*net.parameters(), *head.parameters()]
optimizer = torch.optim.AdamW(parameters, lr=1e-3)
strands = x[: length * batch].reshape(batch, length, 7).transpose(0, 1).contiguous()
result = []
for _ in range(epochs):
    wall, cpu = time.perf_counter(), time.process_time()
    state = None
    for at in range(0, length - steps, steps):
        y, state = net(strands[at : at + steps], state)
        state = tuple(s.detach() for s in state)
        loss = torch.nn.functional.huber_loss(head(y), strands[at + 1 : at + steps + 1])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    result.append([time.perf_counter() - wall, time.process_time() - cpu])
print(json.dumps(result))
