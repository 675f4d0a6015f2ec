#!/usr/bin/env python3
"""Writes the models beside this file: what PyTorch's exporter makes of recurrent modules, its state dictionaries as safetensors,
and a textbook LSTM as .npz, each with the outputs (NAME.y, float32) for the rows of x.f32. A name that begins with refuse_ is a
model that cannot stream. Needs torch; the committed files were written with torch 1.13.
"""
import json
import pathlib
import struct

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
T, I, H = 40, 4, 6
torch.manual_seed(0)
X = torch.randn(T, 1, I)


class Net(nn.Module):
    def __init__(self, kind, layers=1, batch_first=False, take="all", head=None, norm=False, **options):
        super().__init__()
        self.rnn = getattr(nn, kind)(I, H, layers, batch_first=batch_first, **options)
        self.is_lstm, self.take, self.batch_first = kind == "LSTM", take, batch_first
        self.norm = nn.BatchNorm1d(H) if norm else None
        self.head = head or nn.Linear(H, 3)

    def forward(self, x, *state):
        y, h = self.rnn(x, *([state if self.is_lstm else state[0]] if state else []))
        if self.take == "last":
            y = y[:, -1] if self.batch_first else y[-1]
        elif self.take == "hn":
            y = (h[0] if self.is_lstm else h)[-1]
        elif self.take == "flat":
            y = y.reshape(-1, H)
        if self.norm is not None:
            y = self.norm(y)
        y = self.head(y)
        return (y, h) if state else y


class Function(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def save(name, model, batch_first=False, opset=15, step=False, dynamic=True):
    model.eval()
    x = X.transpose(0, 1) if batch_first else X
    with torch.no_grad():
        y = model(x)
    y.numpy().reshape(-1, y.shape[-1]).astype("<f4").tofile(HERE / f"{name}.y")
    path = str(HERE / f"{name}.onnx")
    if step:
        h = torch.zeros(model.rnn.num_layers, 1, H)
        state = (h, h.clone()) if model.is_lstm else (h,)
        torch.onnx.export(model, (x[:, :1] if batch_first else x[:1],) + state, path, opset_version=opset, input_names=["x", "h", "c"][: 1 + len(state)])
    else:
        axes = {"x": {1 if batch_first else 0: "time"}} if dynamic else None
        torch.onnx.export(model, x, path, opset_version=opset, input_names=["x"], dynamic_axes=axes)


def save_state(name, model):
    header, blob = {}, b""
    for key, value in model.state_dict().items():
        data = value.numpy().astype("<f4").tobytes()
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    (HERE / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + blob)
    model.eval()
    with torch.no_grad():
        model(X).numpy().astype("<f4").tofile(HERE / f"{name}.y")


def save_book():
    rng = np.random.default_rng(0)
    w = {k: (0.4 * rng.standard_normal((H, H + I))).astype("f4") for k in "fiCo"}
    b = {k: 0.1 * rng.standard_normal((H, 1)) for k in "fiCo"}
    wy, by = rng.standard_normal((3, H)), np.zeros((3, 1))
    np.savez_compressed(HERE / "book.npz", **{f"W_{k}": w[k] for k in w}, **{f"b_{k}": b[k] for k in b}, W_y=np.asfortranarray(wy), b_y=by)
    h, c, ys = np.zeros((H, 1)), np.zeros((H, 1)), []
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    for x in X.numpy():
        z = np.vstack([h, x.T])
        c = sigmoid(w["f"] @ z + b["f"]) * c + sigmoid(w["i"] @ z + b["i"]) * np.tanh(w["C"] @ z + b["C"])
        h = sigmoid(w["o"] @ z + b["o"]) * np.tanh(c)
        ys.append((wy @ h + by).ravel())
    np.array(ys, "<f4").tofile(HERE / "book.y")


def main():
    X.numpy().astype("<f4").tofile(HERE / "x.f32")
    save("lstm_opset9", Net("LSTM"), opset=9)
    save("gru_opset11", Net("GRU"), opset=11)
    save("rnn_opset16", Net("RNN"), opset=16)
    save("rnn_relu", Net("RNN", nonlinearity="relu"))
    save("lstm_3_layers_step", Net("LSTM", 3), step=True)
    save("gru_2_layers_batch_first_step", Net("GRU", 2, True), batch_first=True, step=True)
    save("lstm_batch_first_last", Net("LSTM", 1, True, "last"), batch_first=True)
    save("gru_fixed_window_last", Net("GRU", 1, True, "last"), batch_first=True, dynamic=False)
    save("lstm_2_layers_hn", Net("LSTM", 2, take="hn"))
    save("gru_flat_batchnorm", Net("GRU", take="flat", norm=True))
    save("rnn_mlp", Net("RNN", head=nn.Sequential(nn.Linear(H, 5), nn.ReLU(), nn.Linear(5, 2), nn.Sigmoid())))
    save("lstm_no_bias", Net("LSTM", bias=False))
    save("normalized", Function(lambda m, x: m.head(m.rnn((x - m.mean) / m.std)[0]) * 3.5 + 1.25, rnn=nn.GRU(I, H), head=nn.Linear(H, 3),
                                mean=nn.Parameter(torch.randn(I)), std=nn.Parameter(torch.rand(I) + 0.5)))
    save("dense_first", Function(lambda m, x: torch.sigmoid(m.head(m.rnn(torch.tanh(m.first(x)))[0])), first=nn.Linear(I, 5), rnn=nn.LSTM(5, H), head=nn.Linear(H, 3)))
    save("learned_state", Function(lambda m, x: m.head(m.rnn(x, (m.h, m.c))[0]), rnn=nn.LSTM(I, H), head=nn.Linear(H, 3),
                                   h=nn.Parameter(torch.randn(1, 1, H)), c=nn.Parameter(torch.randn(1, 1, H))))
    save("lstm_relu_gru", Function(lambda m, x: m.head(m.b(torch.relu(m.a(x)[0]))[0]), a=nn.LSTM(I, H, batch_first=True), b=nn.GRU(H, 5, batch_first=True), head=nn.Linear(5, 3)), batch_first=True)
    save("refuse_bidirectional", Function(lambda m, x: m.head(m.rnn(x)[0]), rnn=nn.GRU(I, H, bidirectional=True), head=nn.Linear(2 * H, 3)))
    save("refuse_attention", Function(lambda m, x: (torch.softmax(m.head(m.rnn(x)[0]), 0) * m.rnn(x)[0]).sum(0), rnn=nn.LSTM(I, H), head=nn.Linear(H, 1)))
    save("refuse_mean_over_time", Function(lambda m, x: m.head(m.rnn(x)[0].mean(0)), rnn=nn.LSTM(I, H), head=nn.Linear(H, 3)))
    save("refuse_flatten", Function(lambda m, x: m.head(m.rnn(x)[0].flatten(1)), rnn=nn.LSTM(I, H, batch_first=True), head=nn.Linear(H * T, 3)), batch_first=True, dynamic=False)
    save("refuse_first_step", Function(lambda m, x: m.head(m.rnn(x)[0][0]), rnn=nn.LSTM(I, H), head=nn.Linear(H, 3)))
    save("lstm_layer_norm", Function(lambda m, x: m.head(m.norm(m.rnn(x)[0])), rnn=nn.LSTM(I, H), norm=nn.LayerNorm(H), head=nn.Linear(H, 3)))
    save("lstm_skip", Function(lambda m, x: m.head(m.rnn(x)[0] + x), rnn=nn.LSTM(I, I), head=nn.Linear(I, 3)))
    save("refuse_encoder_decoder", Function(lambda m, x: m.head(m.b(x, m.a(x)[1])[0]), a=nn.LSTM(I, H), b=nn.LSTM(I, H), head=nn.Linear(H, 3)))
    save_state("state_lstm_2_layers", Net("LSTM", 2))
    save_state("state_gru", Net("GRU"))
    save_state("state_projected", Net("LSTM", 2, proj_size=3, head=nn.Linear(3, 2)))
    save_state("refuse_state_mlp", Net("GRU", head=nn.Sequential(nn.Linear(H, 5), nn.ReLU(), nn.Linear(5, 2))))
    save_book()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        save_residuals()
    save_tiny()


class Residual(nn.Module):
    """x + layer(norm(x)), or norm(x + layer(x)) if the norm comes after."""

    def __init__(self, layer, width=H, norm_after=False, norm=True, epsilon=1e-5):
        super().__init__()
        self.layer, self.norm_after = layer, norm_after
        self.norm = nn.LayerNorm(width, eps=epsilon) if norm else nn.Identity()
        if norm:
            nn.init.normal_(self.norm.weight, 1, 0.3)
            nn.init.normal_(self.norm.bias, 0, 0.3)

    def branch(self, x):
        y = self.layer(x)
        return y[0] if isinstance(y, tuple) else y

    def forward(self, x):
        return self.norm(x + self.branch(x)) if self.norm_after else x + self.branch(self.norm(x))


def save_residuals():
    forward = lambda width=H: nn.Sequential(nn.Linear(width, 12), nn.GELU(), nn.Linear(12, width))
    pre = lambda: nn.Sequential(nn.Linear(I, H), Residual(nn.LSTM(H, H)), Residual(forward()), Residual(nn.GRU(H, H)), nn.LayerNorm(H), nn.Linear(H, 3))
    post = nn.Sequential(nn.Linear(I, H), Residual(nn.GRU(H, H), norm_after=True), Residual(forward(), norm_after=True), nn.Linear(H, 3))
    save("residual_pre_norm_opset15", pre(), opset=15)
    save("residual_pre_norm_opset17", pre(), opset=17)
    save("residual_post_norm", post)
    save("residual_batch_first", nn.Sequential(nn.Linear(I, H), Residual(nn.LSTM(H, H, batch_first=True), norm=False), nn.Linear(H, 3)), batch_first=True)
    save("residual_last", nn.Sequential(nn.Linear(I, H), nn.ReLU(), Residual(nn.RNN(H, H)), Residual(nn.Linear(H, H), epsilon=1e-3)))
    save("norm_of_readings", nn.Sequential(nn.LayerNorm(I), Residual(nn.LSTM(I, I), I, norm=False), nn.Linear(I, 3), nn.Sigmoid()))
    save("refuse_branches", Function(lambda m, x: m.head(m.a(x)[0] + m.b(x)[0]), a=nn.LSTM(I, H), b=nn.GRU(I, H), head=nn.Linear(H, 3)))
    save("refuse_gated_branches", Function(lambda m, x: m.head(m.a(x)[0] * torch.sigmoid(m.b(x))), a=nn.LSTM(I, H), b=nn.Linear(I, H), head=nn.Linear(H, 3)))


def save_tiny():
    """One unit: small enough to flip every bit of it."""
    global X, I, H
    X, I, H = X[:, :, :1], 1, 1
    save("tiny", Net("LSTM", head=nn.Linear(1, 1)))
    save_state("tiny_state", Net("GRU", head=nn.Linear(1, 1)))
    np.savez(HERE / "tiny_book.npz", **{f"{a}_{k}": np.full((1, 2) if a == "W" else (1,), 0.5, "<f4") for a in "Wb" for k in "fiCo"})
    for name in ("tiny", "tiny_state"):
        (HERE / f"{name}.y").unlink()


if __name__ == "__main__":
    main()
