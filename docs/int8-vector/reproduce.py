#!/usr/bin/env python3
"""The int8 arithmetic of quantization.md and xlstm.md again, in numpy and nothing else. Usage: reproduce.py [MODEL.safetensors X.f32 Y.f32 STATE]

Steps MODEL over the rows of X (little-endian float32) from its initial state, compares the outputs with Y and the final
state with STATE byte for byte, and exits 0 if both are the same. Without arguments: every committed vector beside this file.
"""
import json
import pathlib
import struct
import sys

import numpy as np

from blocks import Block

DTYPES = {"I8": np.int8, "I16": np.int16, "I32": np.int32, "F32": np.float32}
SEGMENT = [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 7]
CENTER = [1024, 3072, 5120, 7168, 9216, 12288, 16384, 21504]
C0 = [8023, 20811, 27797, 30847, 32048, 32607, 32746, 32766]
C1 = [30797, 19553, 9190, 3729, 1424, 322, 44, 3]
C2 = [-7265, -12215, -7820, -3557, -1416, -350, -46, -4]
C3 = [-8204, 1177, 3490, 2073, 900, 228, 31, 3]
F = np.float32


def shr(v, s):
    return np.where(s == 0, v, (v + (1 << np.maximum(s - 1, 0))) >> s)


def mulr(a, b):
    return (a * b + (1 << 14)) >> 15


def sat16(v):
    return np.clip(v, -32768, 32767)


def tanh(v):
    a = np.minimum(np.abs(v), 24575)
    k = np.take(SEGMENT, a >> 11)
    u = (a - np.take(CENTER, k)) * 8
    p = np.take(C2, k) + mulr(u, np.take(C3, k))
    p = np.take(C1, k) + mulr(u, p)
    p = np.take(C0, k) + mulr(u, p)
    return np.sign(v) * p


def sigm(v):
    return (tanh(v) >> 1) + (1 << 14)


ACTIVATION = {"tanh": tanh, "sigmoid": sigm, "ramp": lambda z: np.maximum(z, 0), "linear": lambda z: z}


def exp(v):
    v = np.clip(v, F(-80), F(80))
    k = np.floor(v * F(1.44269504) + F(0.5))
    r = v - k * F(0.693359375)
    r = r - k * F(-2.12194440e-4)
    p = F(1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + F(c)
    p = p * (r * r) + r
    return (p + F(1)) * np.ldexp(F(1), k.astype(np.int32)).astype(F)


def softmax(y):
    e = exp(y - y.max())
    total = F(0)
    for value in e:
        total = F(total + value)
    return e / total


def log(v):
    m, e = np.frexp(v)
    m, e = F(m), F(e)
    if m < F(0.707106781):
        m, e = m + m, e - F(1)
    x = m - F(1)
    p = F(7.0376836292e-2)
    for c in (-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
              -2.4999993993e-1, 3.3333331174e-1):
        p = p * x + F(c)
    z = x * x
    y = (p * x) * z
    y = y + F(-2.12194440e-4) * e
    y = y - F(0.5) * z
    return (x + y) + F(0.693359375) * e


def logsoftmax(y):
    total = F(0)
    for value in exp(y - y.max()):
        total = F(total + value)
    return (y - y.max()) - log(total)


OUTPUT = {
    "linear": lambda y: y,
    "relu": lambda y: np.where(y > 0, y, F(0)),
    "sigmoid": lambda y: F(1) / (F(1) + exp(-y)),
    "tanh": lambda y: (F(1) - exp(F(-2) * y)) / (F(1) + exp(F(-2) * y)),
    "softmax": softmax,
    "logsoftmax": logsoftmax,
}


def head(spec, y):
    if spec.get("activation", "linear") != "segments":
        return OUTPUT[spec.get("activation", "linear")](y)
    ends = np.cumsum([segment["count"] for segment in spec["segments"]])
    return np.concatenate([OUTPUT[s["activation"]](y[end - s["count"]:end]) for s, end in zip(spec["segments"], ends)])


class Layer:
    def __init__(self, spec, tensors, name):
        self.spec, self.name, self.units = spec, name, spec["hidden"]
        self.t = {key[len(name) + 1:]: value.astype(np.int64) for key, value in tensors.items() if key.startswith(name + ".")}
        self.recurrent = spec["type"] != "dense"
        self.bits = spec.get("hidden_bits", 8 if self.recurrent else 16)
        self.narrow = self.recurrent and self.bits == 8
        wide = {"lstm": 1 if self.narrow else 2, "gru": 1, "rnn": 1, "dense": 0}[spec["type"]]
        self.wide = self.t.get("initial_wide", np.zeros(wide * self.units, np.int64)).copy()
        narrow = self.units if spec["type"] == "lstm" and self.narrow else 0
        self.h8 = self.t.get("initial_narrow", np.zeros(narrow, np.int64)).copy()

    def rounded(self, output):
        return np.clip(mulr(output, self.t["hidden_multiplier"]), -127, 127)

    def argument(self, gate, x, h, bias=None):
        rows = slice(gate * self.units, (gate + 1) * self.units)
        bias = gate if bias is None else bias
        z = self.t["bias"][bias * self.units:(bias + 1) * self.units]
        if h is not None and self.recurrent:
            z = z + self.t["recurrent_multiplier"][rows] * sat16(shr(self.t["recurrent_weight"][rows] @ h, self.spec["recurrent_shift"]))
        if x is not None:
            z = z + self.t["input_multiplier"][rows] * sat16(shr(self.t["input_weight"][rows] @ x, self.spec["input_shift"]))
        return sat16(shr(z, self.spec["gate_shift"]))

    def clip(self, gate, z):
        return np.clip(z, self.t["clip"][2 * gate], self.t["clip"][2 * gate + 1]) if "clip" in self.t else z

    def peephole(self, part, z, c):
        if "peephole" not in self.t:
            return z
        p = self.t["peephole"][part * self.units:(part + 1) * self.units]
        return sat16(z + sat16(mulr(p, c) << self.spec.get("peephole_shift", 0)))

    def act(self, key, otherwise, z):
        return ACTIVATION[self.spec.get(key, otherwise)](z)

    def step(self, x):
        """The output, int16; the state changes."""
        output = getattr(self, self.spec["type"])(x)
        if self.spec["type"] == "lstm":
            if self.narrow:
                self.h8 = self.rounded(output)
            else:
                self.wide[self.units:] = output
        elif self.recurrent:
            self.wide = output
        return output

    def read(self):
        return self.rounded(self.wide) if self.narrow else self.wide

    def lstm(self, x):
        n = self.t["cell_fraction_bits"] if "cell_fraction_bits" in self.t else np.full(self.units, self.spec["cell_fraction_bits"])
        h = self.h8 if self.narrow else self.wide[self.units:].copy()
        c = self.wide[:self.units].copy()
        i = self.act("gate_activation", "sigmoid", self.clip(0, self.peephole(0, self.argument(0, x, h), c)))
        f = self.act("gate_activation", "sigmoid", self.clip(1, self.peephole(1, self.argument(1, x, h), c)))
        g = self.act("candidate_activation", "tanh", self.clip(2, self.argument(2, x, h)))
        ramp = self.spec.get("candidate_activation", "tanh") == "ramp"
        c = sat16(mulr(f, c) + (mulr(i, g) if ramp else shr(i * g, 30 - n)))
        self.wide[:self.units] = c
        o = self.act("gate_activation", "sigmoid", self.clip(3, self.peephole(2, self.argument(3, x, h), c)))
        if self.spec.get("cell_activation", "tanh") == "ramp":
            return mulr(o, np.maximum(c, 0))
        return mulr(o, tanh(np.where(n > 12, (c + 1) >> 1, sat16(c << np.maximum(12 - n, 0)))))

    def gru(self, x):
        h, s = self.read(), self.wide
        r = self.act("gate_activation", "sigmoid", self.clip(0, self.argument(0, x, h)))
        z = self.act("gate_activation", "sigmoid", self.clip(1, self.argument(1, x, h)))
        if self.spec["reset_after_product"]:
            v = sat16(2 * sat16(self.argument(2, x, None, 2) + mulr(r, self.argument(2, None, h, 3))))
        else:
            v = self.argument(2, x, self.rounded(mulr(r, s)) if self.narrow else mulr(r, s))
        g = self.act("candidate_activation", "tanh", self.clip(2, v))
        return (s * 32768 + (32767 - z) * (g - s) + (1 << 14)) >> 15

    def rnn(self, x):
        return self.act("activation", "tanh", self.clip(0, self.argument(0, x, self.read())))

    def dense(self, x):
        z = self.clip(0, self.argument(0, x, None))
        if self.spec.get("activation", "tanh") != "table":
            return self.act("activation", "tanh", z)
        k, r, table = (z + 32768) >> 5, (z + 32768) & 31, self.t["table"]
        return table[k] + (((table[k + 1] - table[k]) * r + 16) >> 5)


def read_model(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return json.loads(header["__metadata__"]["edge"]), tensors


def run(path, values):
    model, t = read_model(path)
    layers = [
        Layer(spec, t, f"layers.{l}") if spec["type"] in ("lstm", "gru", "rnn", "dense") else Block(spec, t, f"layers.{l}", ACTIVATION)
        for l, spec in enumerate(model["layers"])
    ]
    readings = t["input.scale"].size if "input.scale" in t else 0
    rows = values.reshape(-1, readings + ("embedding" in model))
    outputs = []
    for row in rows:
        made = []
        x = np.zeros(0, np.int64)
        if readings:
            steps = np.rint((row[:readings] - t["input.offset"]) / t["input.scale"])  # float32 throughout; rint rounds half to even
            x = np.clip(steps, -32767, 32767).astype(np.int64)
        if "embedding" in model:
            x = np.concatenate([x, t["embedding.table"][int(row[-1])].astype(np.int64)])
        for l, layer in enumerate(layers):
            y = layer.step(x, made[layer.spec["source"]]) if layer.spec["type"] == "residual" else layer.step(x)
            made.append(y)
            above = layers[l + 1] if l + 1 < len(layers) else None
            x = layer.rounded(y) if above is not None and above.recurrent and layer.narrow else y
        if "head" in model:
            acc = t["head.weight"].astype(np.int64) @ y + t["head.bias"]
            outputs.append(head(model["head"], acc.astype(F) * t["head.scale"]))
        else:
            outputs.append(y.astype(F) * F(2.0 ** -model["layers"][-1].get("output_fraction_bits", 15)))
    state = b"".join(layer.wide.astype("<i2").tobytes() for layer in layers) + b"".join(layer.h8.astype(np.int8).tobytes() for layer in layers)
    return np.array(outputs, F), state


def same(model, x, y, state):
    outputs, final = run(model, np.fromfile(x, "<f4"))
    same_outputs = outputs.tobytes() == pathlib.Path(y).read_bytes()
    same_state = final == pathlib.Path(state).read_bytes()
    kinds = ", ".join(spec["type"] for spec in read_model(model)[0]["layers"])
    print(f"{pathlib.Path(model).parent.name}: {kinds}, {len(outputs)} steps: outputs {'the same' if same_outputs else 'DIFFER'}, state {'the same' if same_state else 'DIFFERS'}")
    return same_outputs and same_state


def main():
    if len(sys.argv) == 5:
        return 0 if same(*sys.argv[1:]) else 1
    here = pathlib.Path(__file__).parent
    folders = [here] + sorted(path.parent for path in here.glob("*/model.safetensors"))
    return 0 if all([same(*(folder / name for name in ("model.safetensors", "x.f32", "y.f32", "state.bin"))) for folder in folders]) else 1


if __name__ == "__main__":
    sys.exit(main())
