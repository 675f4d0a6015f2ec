using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Edge.Training.Layers;
using Edge.Training.Numerics;

namespace Edge.Training.Blocks;

/// <summary>
/// The recurrence of the mLSTM (arXiv 2405.04517, equations 19 to 27): for each head of d values, with the arguments i~ and f~ of its
/// gates,
/// <code>
/// m' = max(log σ(f~) + m, i~)      i = exp(i~ - m')      f = exp(log σ(f~) + m - m')
/// C' = f·C + i·k·vᵀ/√d      n' = f·n + i·k/√d      h = C'ᵀ·q / (max(|n'ᵀ·q|, exp(-m')) + ε)
/// </code>
/// The stabilizer m scales C, n and the bound alike, so h depends on it through ε only, and no derivative goes through it.
/// </summary>
/// <param name="inner">D: values of all heads together.</param>
/// <param name="heads">H; each has a multiple of 8 values.</param>
internal sealed class MlstmMemory(int inner, int heads)
{
    private const float DenominatorEpsilon = 1e-6f;

    private readonly int _width = inner / heads;
    private readonly StateTape _memory = new();
    private readonly StateTape _keys = new();
    private readonly StateTape _stabilizer = new();

    // [T, B, H].
    private HeadStep[] _steps = [];
    private float[] _memoryGradient = [];
    private float[] _keyGradient = [];

    internal void Reset()
    {
        _memory.Reset();
        _keys.Reset();
        _stabilizer.Reset();
    }

    /// <param name="qkv">q, k and v: [T, B, 3D].</param>
    /// <param name="arguments">i~ of all heads, then f~: [T, B, 2H].</param>
    /// <param name="h">Receives [T, B, D].</param>
    /// <param name="strands">B.</param>
    internal void Forward(ReadOnlySpan<float> qkv, ReadOnlySpan<float> arguments, Span<float> h, int strands)
    {
        int rows = h.Length / inner;
        _memory.Begin(rows / strands, strands * inner * _width);
        _keys.Begin(rows / strands, strands * inner);
        _stabilizer.Begin(rows / strands, strands * heads);
        if (_steps.Length < rows * heads)
        {
            _steps = new HeadStep[rows * heads];
        }

        for (int row = 0; row < rows; row++)
        {
            for (int head = 0; head < heads; head++)
            {
                int argument = (row * 2 * heads) + head;
                Step(
                    row, strands, head, arguments[argument], arguments[argument + heads], qkv.Slice(row * 3 * inner, 3 * inner),
                    h.Slice((row * inner) + (head * _width), _width));
            }
        }
    }

    /// <param name="qkv">As given to <see cref="Forward"/>.</param>
    /// <param name="h">As received from it.</param>
    /// <param name="dh">Derivative by h, [T, B, D].</param>
    /// <param name="byQkv">Receives the derivative by q, k and v, on top of what it has, [T, B, 3D].</param>
    /// <param name="byArgument">Receives the derivative by i~ and f~, [T, B, 2H].</param>
    /// <param name="strands">B.</param>
    internal void Backward(
        ReadOnlySpan<float> qkv, ReadOnlySpan<float> h, ReadOnlySpan<float> dh, Span<float> byQkv, Span<float> byArgument, int strands)
    {
        int size = _width * _width;
        Span<float> byMemory = TrainableLayer.Zeros(ref _memoryGradient, strands * heads * size);
        Span<float> byKeys = TrainableLayer.Zeros(ref _keyGradient, strands * inner);
        for (int row = (h.Length / inner) - 1; row >= 0; row--)
        {
            for (int head = 0; head < heads; head++)
            {
                int at = (row % strands * heads) + head;
                int value = (row * inner) + (head * _width);
                (float input, float forget) = Back(
                    row, strands, head, qkv.Slice(row * 3 * inner, 3 * inner), h.Slice(value, _width), dh.Slice(value, _width),
                    byQkv.Slice(row * 3 * inner, 3 * inner), byMemory.Slice(at * size, size), byKeys.Slice(at * _width, _width));
                byArgument[(row * 2 * heads) + head] = input;
                byArgument[(row * 2 * heads) + heads + head] = forget;
            }
        }
    }

    private void Step(int row, int strands, int head, float input, float forget, ReadOnlySpan<float> qkv, Span<float> h)
    {
        int at = (row * heads) + head;
        int after = at + (strands * heads);
        float logForget = LogSigmoid(forget);
        float kept = _stabilizer.Values[at] + logForget;
        float m = MathF.Max(kept, input);
        _stabilizer.Values[after] = m;
        float f = Exp(kept - m);
        float i = Exp(input - m) / MathF.Sqrt(_width);

        ReadOnlySpan<float> q = qkv.Slice(head * _width, _width);
        ReadOnlySpan<float> k = qkv.Slice(inner + (head * _width), _width);
        ReadOnlySpan<float> n = _keys.Values.AsSpan(at * _width, _width);
        Span<float> next = _keys.Values.AsSpan(after * _width, _width);
        float along = 0;
        for (int r = 0; r < _width; r++)
        {
            next[r] = (f * n[r]) + (i * k[r]);
            along += next[r] * q[r];
        }

        Write(qkv, head, f, i, _memory.Values.AsSpan(at * _width * _width), _memory.Values.AsSpan(after * _width * _width), h);
        float bound = Exp(-m);
        float denominator = MathF.Max(MathF.Abs(along), bound) + DenominatorEpsilon;
        for (int j = 0; j < _width; j++)
        {
            h[j] /= denominator;
        }

        float sign = MathF.Abs(along) > bound ? MathF.Sign(along) : 0;
        _steps[at] = new HeadStep(i, f, 1 - Exp(logForget), denominator, sign);
    }

    // C' = f·C + i·k·vᵀ; h = C'ᵀ·q.
    private void Write(
        ReadOnlySpan<float> qkv, int head, float f, float i, ReadOnlySpan<float> before, Span<float> after, Span<float> h)
    {
        ref float query = ref MemoryMarshal.GetReference(qkv.Slice(head * _width, _width));
        ref float key = ref MemoryMarshal.GetReference(qkv.Slice(inner + (head * _width), _width));
        ref float old = ref MemoryMarshal.GetReference(before[..(_width * _width)]);
        ref float now = ref MemoryMarshal.GetReference(after[..(_width * _width)]);
        ReadOnlySpan<float> v = qkv.Slice((2 * inner) + (head * _width), _width);
        for (int j = 0; j < _width; j += 8)
        {
            Vector256<float> value = Vector256.Create(v[j..]) * i;
            Vector256<float> sum = default;
            for (int r = 0; r < _width; r++)
            {
                nuint at = (nuint)((r * _width) + j);
                Vector256<float> c = (Vector256.LoadUnsafe(ref old, at) * f) + (value * Unsafe.Add(ref key, r));
                c.StoreUnsafe(ref now, at);
                sum += c * Unsafe.Add(ref query, r);
            }

            sum.CopyTo(h[j..]);
        }
    }

    // byMemory, byKeys: by C and n of this step from the step after, become those by C and n of the step before.
    private (float ByInput, float ByForget) Back(
        int row, int strands, int head, ReadOnlySpan<float> qkv, ReadOnlySpan<float> h, ReadOnlySpan<float> dh, Span<float> byQkv,
        Span<float> byMemory, Span<float> byKeys)
    {
        int at = (row * heads) + head;
        int after = at + (strands * heads);
        HeadStep step = _steps[at];
        ReadOnlySpan<float> q = qkv.Slice(head * _width, _width);
        ReadOnlySpan<float> k = qkv.Slice(inner + (head * _width), _width);
        ReadOnlySpan<float> n = _keys.Values.AsSpan(at * _width, _width);
        ReadOnlySpan<float> next = _keys.Values.AsSpan(after * _width, _width);
        Span<float> dq = byQkv.Slice(head * _width, _width);
        Span<float> dk = byQkv.Slice(inner + (head * _width), _width);
        Span<float> dv = byQkv.Slice((2 * inner) + (head * _width), _width);

        float byDenominator = 0;
        for (int j = 0; j < _width; j++)
        {
            byDenominator -= dh[j] * h[j] / step.Denominator;
        }

        float byAlong = byDenominator * step.Sign;
        float byInput = 0;
        float byForget = 0;
        for (int r = 0; r < _width; r++)
        {
            byKeys[r] += byAlong * q[r];
            int line = r * _width;
            LineSums sums = BackLine(
                q[r] / step.Denominator, step.Input * k[r], step.Forget, dh, _memory.Values.AsSpan((at * _width * _width) + line, _width),
                _memory.Values.AsSpan((after * _width * _width) + line, _width), qkv.Slice((2 * inner) + (head * _width), _width),
                byMemory.Slice(line, _width), dv);
            dq[r] += (sums.Read / step.Denominator) + (byAlong * next[r]);
            float byKey = sums.Written + byKeys[r];
            dk[r] += step.Input * byKey;
            byInput += step.Input * k[r] * byKey;
            byForget += sums.Kept + (byKeys[r] * n[r]);
            byKeys[r] *= step.Forget;
        }

        return (byInput, byForget * step.Forget * step.Slope);
    }

    // A row of C: the derivative by it grows by query·dh, gives its part of v's, and continues to the row before.
    private static LineSums BackLine(
        float query, float key, float forget, ReadOnlySpan<float> dh, ReadOnlySpan<float> before, ReadOnlySpan<float> after,
        ReadOnlySpan<float> v, Span<float> byMemory, Span<float> dv)
    {
        Vector256<float> read = default;
        Vector256<float> written = default;
        Vector256<float> kept = default;
        for (int j = 0; j < v.Length; j += 8)
        {
            Vector256<float> byHidden = Vector256.Create(dh[j..]);
            Vector256<float> dc = Vector256.Create<float>(byMemory[j..]) + (byHidden * query);
            read += Vector256.Create(after[j..]) * byHidden;
            written += dc * Vector256.Create(v[j..]);
            kept += dc * Vector256.Create(before[j..]);
            (Vector256.Create<float>(dv[j..]) + (dc * key)).CopyTo(dv[j..]);
            (dc * forget).CopyTo(byMemory[j..]);
        }

        return new LineSums(VectorMath.Sum(read), VectorMath.Sum(written), VectorMath.Sum(kept));
    }

    private static float Exp(float x) => VectorMath.ExpOf(Vector256.Create(x)).ToScalar();

    private static float LogSigmoid(float x) => VectorMath.LogSigmoidOf(Vector256.Create(x)).ToScalar();

    /// <param name="Input">i/√d.</param>
    /// <param name="Forget">f.</param>
    /// <param name="Slope">1 - σ(f~).</param>
    /// <param name="Denominator">What h is divided by.</param>
    /// <param name="Sign">Of n'ᵀ·q; 0 where the bound is larger.</param>
    private readonly record struct HeadStep(float Input, float Forget, float Slope, float Denominator, float Sign);

    /// <param name="Read">Σ C'·dh.</param>
    /// <param name="Written">Σ dC·v.</param>
    /// <param name="Kept">Σ dC·C.</param>
    private readonly record struct LineSums(float Read, float Written, float Kept);
}
