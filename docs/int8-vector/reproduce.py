#!/usr/bin/env python3
"""The int8 cell of quantization.md again, in numpy and nothing else. Usage: reproduce.py [MODEL.safetensors X.f32 Y.f32 STATE]

Steps MODEL over the rows of X (little-endian float32) from the zero state, compares the outputs with Y and the final
state with STATE byte for byte, and exits 0 if both are the same. Without arguments: the committed vector beside this file.
"""
import json
import pathlib
import struct
import sys

import numpy as np

DTYPES = {"I8": np.int8, "I16": np.int16, "I32": np.int32, "F32": np.float32}
SEGMENT = [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 7]
CENTRE = [1024, 3072, 5120, 7168, 9216, 12288, 16384, 21504]
C0 = [8023, 20811, 27797, 30847, 32048, 32607, 32746, 32766]
C1 = [30797, 19553, 9190, 3729, 1424, 322, 44, 3]
C2 = [-7265, -12215, -7820, -3557, -1416, -350, -46, -4]
C3 = [-8204, 1177, 3490, 2073, 900, 228, 31, 3]


def shr(v, s):
    return v if s == 0 else (v + (1 << (s - 1))) >> s


def mulr(a, b):
    return (a * b + (1 << 14)) >> 15


def sat16(v):
    return np.clip(v, -32768, 32767)


def tanh(v):
    a = np.minimum(np.abs(v), 24575)
    k = np.take(SEGMENT, a >> 11)
    u = (a - np.take(CENTRE, k)) * 8
    p = np.take(C2, k) + mulr(u, np.take(C3, k))
    p = np.take(C1, k) + mulr(u, p)
    p = np.take(C0, k) + mulr(u, p)
    return np.sign(v) * p


def sigm(v):
    return (tanh(v) >> 1) + (1 << 14)


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


def run(model_path, rows):
    model, t = read_model(model_path)
    layers = model["layers"]
    c = [np.zeros(layer["hidden"], np.int64) for layer in layers]
    h = [np.zeros(layer["hidden"], np.int64) for layer in layers]
    outputs = []
    for row in rows:
        steps = np.rint((row - t["input.offset"]) / t["input.scale"])  # float32 throughout; rint rounds half to even
        x = np.clip(steps, -32767, 32767).astype(np.int64)
        for l, layer in enumerate(layers):
            w = lambda name: t[f"layers.{l}.{name}"].astype(np.int64)
            a = w("input_weight") @ x
            b = w("recurrent_weight") @ h[l]
            z = sat16(shr(w("recurrent_multiplier") * sat16(shr(b, layer["recurrent_shift"]))
                          + w("input_multiplier") * sat16(shr(a, layer["input_shift"])) + w("bias"), layer["gate_shift"]))
            zi, zf, zg, zo = z.reshape(4, -1)
            n = layer["cell_fraction_bits"]
            c[l] = sat16(mulr(sigm(zf), c[l]) + shr(sigm(zi) * tanh(zg), 30 - n))
            q12 = shr(c[l], n - 12) if n >= 12 else sat16(c[l] << (12 - n))
            y = mulr(sigm(zo), tanh(q12))
            h[l] = np.clip(mulr(y, w("hidden_multiplier")), -127, 127)
            x = h[l]
        acc = t["head.weight"].astype(np.int64) @ y + t["head.bias"]
        outputs.append(acc.astype(np.float32) * t["head.scale"])
    state = b"".join(v.astype("<i2").tobytes() for v in c) + b"".join(v.astype(np.int8).tobytes() for v in h)
    return np.array(outputs, np.float32), state


def main():
    here = pathlib.Path(__file__).parent
    model, x, y, state = sys.argv[1:] if len(sys.argv) == 5 else [here / name for name in ("model.safetensors", "x.f32", "y.f32", "state.bin")]
    inputs = read_model(model)[1]["input.scale"].size
    outputs, final = run(model, np.fromfile(x, "<f4").reshape(-1, inputs))
    same_outputs = outputs.tobytes() == pathlib.Path(y).read_bytes()
    same_state = final == pathlib.Path(state).read_bytes()
    print(f"{len(outputs)} steps: outputs {'the same' if same_outputs else 'DIFFER'}, state {'the same' if same_state else 'DIFFERS'}")
    return 0 if same_outputs and same_state else 1


if __name__ == "__main__":
    sys.exit(main())
