"""Writes blocks.json: outputs and gradients of the parts of an xLSTM block stack, as PyTorch computes them from the formulas of
arXiv 2405.04517. The stabilizers are part of the graph. Each part first steps a sequence from an empty state, then one that goes on from
there, whose gradients are kept. Run in this folder."""
import json
import torch

torch.manual_seed(11)
T, B = 6, 2


def flat(tensor):
    return [float("%.8g" % value) for value in tensor.detach().reshape(-1).tolist()]


def norm(x, groups=1):
    runs = x.reshape(*x.shape[:-1], groups, -1)
    mean = runs.mean(-1, keepdim=True)
    variance = ((runs - mean) ** 2).mean(-1, keepdim=True)
    return ((runs - mean) / torch.sqrt(variance + 1e-5)).reshape(x.shape)


def headwise(x, weight, heads):
    """weight: [inputs, units of a head], one block of rows a head."""
    blocks = weight.reshape(heads, -1, weight.shape[1])
    return torch.einsum("...hi,hiu->...hu", x.reshape(*x.shape[:-1], heads, -1), blocks).reshape(*x.shape[:-1], -1)


def convolve(x, before, weight, bias):
    rows = torch.cat([before, x])
    sums = bias + sum(weight[k] * rows[k:k + x.shape[0]] for k in range(weight.shape[0]))
    return torch.nn.functional.silu(sums), rows[x.shape[0]:].detach()


def uniform(rows, columns, fan):
    return ((2 * torch.rand(rows, columns) - 1) / fan ** 0.5).requires_grad_()


class Slstm:
    def __init__(self, units, heads, taps):
        self.units, self.heads, self.taps = units, heads, taps
        d = units // heads
        self.p = [uniform(units, d, d) for _ in range(8)]
        self.p.append(torch.randn(1, 4 * units).requires_grad_())
        self.p.append((1 + 0.3 * torch.randn(1, units)).requires_grad_())
        if taps:
            self.p += [uniform(taps, units, taps), (0.1 * torch.randn(1, units)).requires_grad_()]
        self.state = None

    def __call__(self, x):
        normal = norm(x)
        y, c, n, m, before = self.state or ([torch.zeros(B, self.units)] * 4 + [torch.zeros(max(0, self.taps - 1), B, self.units)])
        features = normal
        if self.taps:
            features, before = convolve(normal, before, self.p[10], self.p[11])
        outputs = []
        for t in range(x.shape[0]):
            i, f, z, o = [
                headwise((features if g < 2 else normal)[t], self.p[g], self.heads) + headwise(y, self.p[4 + g], self.heads)
                + self.p[8][0, g * self.units:(g + 1) * self.units] for g in range(4)]
            kept = m + torch.nn.functional.logsigmoid(f)
            after = i if torch.all(n == 0) else torch.maximum(kept, i)
            c = torch.exp(kept - after) * c + torch.exp(i - after) * torch.tanh(z)
            n = torch.exp(kept - after) * n + torch.exp(i - after)
            m = after
            y = torch.sigmoid(o) * c / n
            outputs.append(y)
        self.state = [value.detach() for value in (y, c, n, m, before)]
        return x + norm(torch.stack(outputs), self.heads) * self.p[9]


class Mlstm:
    def __init__(self, units, heads, taps):
        self.heads, self.taps, self.inner = heads, taps, 2 * units
        inner, d = self.inner, self.inner // heads
        self.p = [
            uniform(units, inner, units), uniform(units, inner, units), uniform(taps, inner, taps),
            (0.1 * torch.randn(1, inner)).requires_grad_(), uniform(inner, d, d), uniform(inner, d, d), uniform(inner, d, d),
            uniform(3 * inner, 2 * heads, inner), torch.randn(1, 2 * heads).requires_grad_(),
            (1 + 0.3 * torch.randn(1, inner)).requires_grad_(), (1 + 0.3 * torch.randn(1, inner)).requires_grad_(),
            uniform(inner, units, inner)]
        self.state = None

    def __call__(self, x):
        up, gate, kernel, bias, query, key, value, head_gates, head_bias, weight, skip, down = self.p
        d = self.inner // self.heads
        memory, n, m, before = self.state or [
            torch.zeros(B, self.heads, d, d), torch.zeros(B, self.heads, d), torch.zeros(B, self.heads),
            torch.zeros(self.taps - 1, B, self.inner)]
        normal = norm(x)
        u = normal @ up
        features, before = convolve(u, before, kernel, bias)
        q, k, v = headwise(features, query, self.heads), headwise(features, key, self.heads), headwise(u, value, self.heads)
        arguments = torch.cat([q, k, v], -1) @ head_gates + head_bias
        outputs = []
        for t in range(x.shape[0]):
            i, f = arguments[t].reshape(B, 2, self.heads).unbind(1)
            qt, kt, vt = [value[t].reshape(B, self.heads, d) for value in (q, k, v)]
            kept = m + torch.nn.functional.logsigmoid(f)
            after = torch.maximum(kept, i)
            forget, write = torch.exp(kept - after), torch.exp(i - after)
            memory = forget[..., None, None] * memory + write[..., None, None] * (kt / d ** 0.5)[..., :, None] * vt[..., None, :]
            n = forget[..., None] * n + write[..., None] * kt / d ** 0.5
            m = after
            numerator = torch.einsum("bhrj,bhr->bhj", memory, qt)
            denominator = torch.maximum((n * qt).sum(-1).abs(), torch.exp(-m)) + 1e-6
            outputs.append((numerator / denominator[..., None]).reshape(B, -1))
        self.state = [value.detach() for value in (memory, n, m, before)]
        h = norm(torch.stack(outputs), self.heads) * weight + skip * features
        return x + (h * torch.nn.functional.silu(normal @ gate)) @ down


class FeedForward:
    def __init__(self, units, inner):
        self.p = [uniform(units, inner, units), uniform(units, inner, units), uniform(inner, units, inner)]

    def __call__(self, x):
        gate, up, down = self.p
        return x + (torch.nn.functional.silu(norm(x) @ gate) * (norm(x) @ up)) @ down


parts = []
for name, units, part in (
        ("slstm", 16, Slstm(16, 2, 0)), ("slstm convolution", 16, Slstm(16, 2, 4)), ("mlstm", 8, Mlstm(8, 2, 4)),
        ("feedforward", 16, FeedForward(16, 24))):
    first = torch.randn(T, B, units)
    x = torch.randn(T, B, units).requires_grad_()
    dy = torch.randn(T, B, units)
    part(first)
    y = part(x)
    (y * dy).sum().backward()
    parts.append(dict(
        name=name, first=flat(first), x=flat(x), y=flat(y), dy=flat(dy), dx=flat(x.grad), parameters=[flat(p) for p in part.p],
        gradients=[flat(p.grad) for p in part.p]))
with open("blocks.json", "w") as file:
    json.dump(dict(strands=B, parts=parts), file)
