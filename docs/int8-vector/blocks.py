"""The blocks of an xLSTM stack, xlstm.md again: slstm, mlstm, feedforward, norm and residual."""
import math

import numpy as np

NOTHING = -96 << 23
SOFTPLUS = [math.floor(math.log2(1 + 2 ** (-k / 32)) * 2**23 + 0.5) for k in range(801)] + [0]
POWER = [math.floor(2 ** (-k / 256) * 2**14 + 0.5) for k in range(257)] + [0]
SEED = [math.isqrt(2**37 // (2 * k + 1)) for k in range(64, 256)]


def shr(v, s):
    return v if s == 0 else (v + (1 << (s - 1))) >> s


def mulr(a, b):
    return (a * b + (1 << 14)) >> 15


def sat16(v):
    return np.clip(v, -32768, 32767)


def softplus(d):
    """log2(1 + 2^-|d|)."""
    u = abs(int(d))
    k = u >> 18
    if k >= 800:
        return 0
    return SOFTPLUS[k] + (((SOFTPLUS[k + 1] - SOFTPLUS[k]) * ((u >> 6) & 4095) + 2048) >> 12)


def mantissa(fraction):
    k = fraction >> 15
    return POWER[k] + (((POWER[k + 1] - POWER[k]) * ((fraction >> 7) & 255) + 128) >> 8)


def admit(log, i, f):
    """The new logarithm, and mantissa and exponent of the share."""
    i, f = int(i) << 14, int(f) << 14
    kept = int(log) + min(f, 0) - softplus(f)
    log = max(kept, i) + softplus(kept - i)
    w = max(log - i, 0)
    return log, mantissa(w & (2**23 - 1)), min(w >> 23, 30)


def move(mean, value, m, e):
    return mean + shr(m * (value - shr(mean, 14)), e)


def read(mean, g):
    """A mean as int16, g bits further up than Q0.15."""
    return np.clip(mean + ((1 << (14 - g)) >> 1), -(1 << (29 - g)), (1 << (29 - g)) - 1) >> (14 - g)


def power(v):
    if v >= 30 << 23:
        return 1 << 30
    if v < -(2 << 23):
        return 0
    s = 14 + (-v >> 23)
    m = mantissa(-v & (2**23 - 1))
    return m << -s if s <= 0 else shr(m, s)


def fraction_bits(d):
    t = 0
    while 4**t < d:
        t += 1
    return 15 - t


def epsilon(d, bits):
    return max(1, (d * d * 4**bits + 50_000) // 100_000)


def norm(x, eps, bits):
    x = [int(value) for value in x]
    d, total = len(x), sum(x)
    variance = d * sum(value * value for value in x) - total * total + eps
    a = (61 - (variance.bit_length() - 1)) >> 1
    v = variance << (2 * a) >> 30
    r = SEED[(v >> 24) - 64] << 16
    for _ in range(2):
        r = (r * ((3 << 31) - ((v * ((r * r) >> 31)) >> 30))) >> 32
    return sat16(np.array([shr((d * value - total) * r, 61 - a - bits) for value in x], np.int64))


def table(values, z):
    k, r = (z + 32768) >> 5, (z + 32768) & 31
    return values[k] + (((values[k + 1] - values[k]) * r + 16) >> 5)


class Product:
    def __init__(self, spec, tensors, activations):
        self.spec, self.t, self.activations = spec, tensors, activations
        self.heads = spec.get("heads", 1)

    def narrow(self, x, name):
        return np.clip(mulr(x, self.t[name]), -127, 127) if name in self.t else x

    def sums(self, x, side):
        weight = self.t[f"{side}_weight"].reshape(self.heads, -1, self.t[f"{side}_weight"].shape[1])
        return np.einsum("hri,hi->hr", weight, x.reshape(self.heads, -1)).reshape(-1)

    def __call__(self, x, h=None):
        z = self.t["bias"].copy()
        if h is not None:
            sums = self.sums(self.narrow(h, "recurrent_narrowing"), "recurrent")
            z += self.t["recurrent_multiplier"] * sat16(shr(sums, self.spec["recurrent_shift"]))
        sums = self.sums(self.narrow(x, "input_narrowing"), "input")
        z += self.t["input_multiplier"] * sat16(shr(sums, self.spec["input_shift"]))
        z = sat16(shr(z, self.spec["gate_shift"]))
        activation = self.spec.get("activation", "linear")
        return table(self.t["table"], z) if activation == "table" else self.activations[activation](z)


class Block:
    recurrent = narrow = False

    def __init__(self, spec, tensors, name, activations):
        self.spec, self.units = spec, spec["hidden"]
        self.t = {key[len(name) + 1:]: value.astype(np.int64) for key, value in tensors.items() if key.startswith(name + ".")}
        self.p = {
            key: Product(each, {n[len(key) + 1:]: v for n, v in self.t.items() if n.startswith(key + ".")}, activations)
            for key, each in spec.get("products", {}).items()
        }
        self.eps = spec.get("epsilon", epsilon(self.units, spec["input_fraction_bits"]))
        self.h8 = np.zeros(0, np.int64)
        self.inner = spec.get("inner", self.units)
        self.heads = spec.get("heads", 1)
        self.d = (self.inner if spec["type"] == "mlstm" else self.units) // self.heads
        if "convolution" in spec:
            self.rows = np.zeros((spec["convolution"]["taps"] - 1, self.t["convolution.weight"].shape[1]), np.int64)
        else:
            self.rows = np.zeros((0, 0), np.int64)
        self.y = np.zeros(self.units, np.int64)
        self.means = [0] * self.units
        self.logs = [NOTHING] * (self.units if spec["type"] == "slstm" else self.heads)
        self.memory = np.zeros((self.heads, self.d + 1, self.d), np.int64)

    @property
    def wide(self):
        """The state as int16, as it lies in memory."""
        if self.spec["type"] == "slstm":
            ints = np.array(self.means + self.logs, "<i4").view("<i2")
            return np.concatenate([self.y, ints, self.rows.reshape(-1)])
        if self.spec["type"] == "mlstm":
            ints = np.concatenate([np.append(memory.reshape(-1), log) for memory, log in zip(self.memory, self.logs)])
            return np.concatenate([ints.astype("<i4").view("<i2"), self.rows.reshape(-1)])
        return np.zeros(0, np.int64)

    def convolve(self, x):
        rows = np.vstack([self.rows, x[None, :]])
        z = sat16(shr((rows * self.t["convolution.weight"]).sum(0) + self.t["convolution.bias"], self.spec["convolution"]["shift"]))
        self.rows = rows[1:]
        return table(self.t["convolution.table"], z)

    def step(self, x, source=None):
        if self.spec["type"] == "residual":
            bits, other = self.spec["input_fraction_bits"], self.spec["source_fraction_bits"]
            both = max(bits, other)
            return sat16(shr((x << (both - bits)) + (source << (both - other)), both - self.spec["output_fraction_bits"]))
        n = norm(x, self.eps, fraction_bits(self.units))
        return n if self.spec["type"] == "norm" else sat16(x + getattr(self, self.spec["type"])(n))

    def feedforward(self, n):
        return self.p["down"](sat16(shr(self.p["gate"](n) * self.p["up"](n), self.spec["gate_shift"])))

    def slstm(self, n):
        a = self.convolve(n) if "convolution" in self.spec else n
        i, f, z, o = (self.p[gate](a if gate in "if" else n, self.y) for gate in "ifzo")
        for j in range(self.units):
            self.logs[j], m, e = admit(self.logs[j], i[j], f[j])
            self.means[j] = move(self.means[j], int(z[j]), m, e)
        self.y = mulr(o, shr(np.array(self.means, np.int64), 14))
        groups = self.y.reshape(self.heads, -1)
        grouped = np.concatenate([norm(group, epsilon(self.d, 15), fraction_bits(self.d)) for group in groups])
        return sat16(shr(grouped * self.t["gain"], self.spec["gain_shift"]))

    def mlstm(self, n):
        u, opened = self.p["up"](n), self.p["gate"](n)
        a = self.convolve(u)
        q, k, v = self.p["q"](a), self.p["k"](a), self.p["v"](u)
        gates = self.p["gates"](np.concatenate([q, k, v]))
        h = [self.head(head, *(each.reshape(self.heads, -1)[head] for each in (q, k, v)), gates) for head in range(self.heads)]
        skipped = sat16(shr(np.concatenate(h) * self.t["gain"] + a * self.t["skip"], self.spec["skip_shift"]))
        return self.p["down"](sat16(shr(skipped * opened, self.spec["gate_shift"])))

    def head(self, head, q, k, v, gates):
        d, memory = self.d, self.memory[head]
        self.logs[head], m, e = admit(self.logs[head], gates[head], gates[self.heads + head])
        memory[:d] = move(memory[:d], sat16(shr(k[:, None] * v[None, :], self.spec["product_shift"])), m, e)
        memory[d] = move(memory[d], k, m, e)
        s = math.ceil(math.log2(d))
        sums = shr(read(memory[:d], self.spec["memory_shift"]) * q[:, None], s).sum(0)
        normalizer = int(shr(read(memory[d], self.spec["key_shift"]) * q, s).sum())
        denominator = max(abs(normalizer), power(self.spec["floor_log"] - self.logs[head]))
        root = min(shr(denominator * self.spec["epsilon_multiplier"], self.spec["epsilon_shift"]), 1 << 30)
        largest = max(root, int(np.abs(sums).max()))
        shift = max(0, largest.bit_length() - 15)
        root = shr(root, shift)
        return norm(shr(sums, shift), max(1, d * d * root * root), fraction_bits(d))
