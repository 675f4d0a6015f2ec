using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Layers;

/// <summary>
/// LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000): i, f, o = sigmoid, g = tanh of W·x + R·h + b;
/// c = f·c + i·g; h = o·tanh(c). Gates stand in the order i, f, g, o.
/// </summary>
public sealed class LstmLayer : RecurrentLayer
{
    private readonly StateTape _cell = new();

    // Gates after their activation [T, B, 4U]; tanh(c) [T, B, U].
    private float[] _gates = [];
    private float[] _squashed = [];
    private float[] _gateGradient = [];
    private float[] _cellGradient = [];

    /// <summary>Starts with random weights and a forget gate that remembers (bias 1).</summary>
    /// <param name="inputCount">I.</param>
    /// <param name="unitCount">U.</param>
    /// <param name="random">Where the weights come from.</param>
    public LstmLayer(int inputCount, int unitCount, Random random)
        : base(inputCount, unitCount, 4, random, new Parameter("bias", 1, 4 * unitCount, false)) =>
        Bias.Value.AsSpan(unitCount, unitCount).Fill(1);

    private Parameter Bias => Parameters[2];

    internal override void Reset()
    {
        base.Reset();
        _cell.Reset();
    }

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        int row = strands * UnitCount;
        int steps = x.Length / (strands * InputCount);
        _cell.Begin(steps, row);
        Hidden.Begin(steps, row);
        Grow(ref _gates, steps * row * 4);
        Grow(ref _squashed, steps * row);
        Span<float> gates = _gates.AsSpan(0, steps * row * 4);
        for (int at = 0; at < gates.Length; at += 4 * UnitCount)
        {
            Bias.Value.CopyTo(gates[at..]);
        }

        MatrixProduct.Add(x, Input.Value, gates, steps * strands, InputCount, 4 * UnitCount);
        for (int t = 0; t < steps; t++)
        {
            Span<float> z = gates.Slice(t * row * 4, row * 4);
            MatrixProduct.Add(Hidden.Values.AsSpan(t * row, row), Recurrent.Value, z, strands, UnitCount, 4 * UnitCount);
            for (int s = 0; s < strands; s++)
            {
                StepStrand(z.Slice(s * 4 * UnitCount, 4 * UnitCount), (t * row) + (s * UnitCount), row);
            }
        }

        Hidden.Values.AsSpan(row, steps * row).CopyTo(y);
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        int row = strands * UnitCount;
        Grow(ref _gateGradient, dy.Length * 4);
        Grow(ref _cellGradient, row);
        _cellGradient.AsSpan(0, row).Clear();
        BackThroughTime(dy, _gateGradient, strands, (t, dh) =>
        {
            for (int s = 0; s < strands; s++)
            {
                int at = (t * row) + (s * UnitCount);
                BackStrand(
                    at, row, dh.Slice(s * UnitCount, UnitCount), _cellGradient.AsSpan(s * UnitCount, UnitCount),
                    _gateGradient.AsSpan(at * 4, 4 * UnitCount));
            }

            dh.Clear();
        });
        ReadOnlySpan<float> all = _gateGradient.AsSpan(0, dy.Length * 4);
        AddGradients(x, all, all, dx);
        MatrixProduct.AddRows(all, Bias.Gradient);
    }

    internal override FloatLayer ToReference() =>
        new FloatLstm(InputCount, UnitCount, Transposed(Input), Transposed(Recurrent), [.. Bias.Value]);

    // z: gate arguments of a strand, which become gates; at: the strand's place in the states before the step.
    private void StepStrand(Span<float> z, int at, int row)
    {
        VectorMath.Sigmoid(z[..(2 * UnitCount)]);
        VectorMath.Tanh(z.Slice(2 * UnitCount, UnitCount));
        VectorMath.Sigmoid(z[(3 * UnitCount)..]);
        ReadOnlySpan<float> before = _cell.Values.AsSpan(at, UnitCount);
        Span<float> c = _cell.Values.AsSpan(at + row, UnitCount);
        for (int j = 0; j < UnitCount; j++)
        {
            c[j] = (z[UnitCount + j] * before[j]) + (z[j] * z[(2 * UnitCount) + j]);
        }

        Span<float> squashed = _squashed.AsSpan(at, UnitCount);
        c.CopyTo(squashed);
        VectorMath.Tanh(squashed);
        Span<float> h = Hidden.Values.AsSpan(at + row, UnitCount);
        for (int j = 0; j < UnitCount; j++)
        {
            h[j] = z[(3 * UnitCount) + j] * squashed[j];
        }
    }

    // dh: by h of this step; dc: by c of this step from the step after, becomes that by c of the step before; dz: receives that by the
    // arguments of the gates.
    private void BackStrand(int at, int row, ReadOnlySpan<float> dh, Span<float> dc, Span<float> dz)
    {
        int units = UnitCount;
        ref float gate = ref _gates[at * 4];
        ref float squashed = ref _squashed[at];
        ref float before = ref _cell.Values[at];
        ref float hidden = ref MemoryMarshal.GetReference(dh);
        ref float cell = ref MemoryMarshal.GetReference(dc);
        ref float argument = ref MemoryMarshal.GetReference(dz);
        int j = 0;
        for (; j + 8 <= units; j += 8)
        {
            nuint lane = (nuint)j;
            Vector256<float> i = Vector256.LoadUnsafe(ref gate, lane);
            Vector256<float> f = Vector256.LoadUnsafe(ref gate, lane + (nuint)units);
            Vector256<float> g = Vector256.LoadUnsafe(ref gate, lane + (nuint)(2 * units));
            Vector256<float> o = Vector256.LoadUnsafe(ref gate, lane + (nuint)(3 * units));
            Vector256<float> s = Vector256.LoadUnsafe(ref squashed, lane);
            Vector256<float> byHidden = Vector256.LoadUnsafe(ref hidden, lane);
            Vector256<float> byCell = Vector256.LoadUnsafe(ref cell, lane) + (byHidden * o * (Vector256<float>.One - (s * s)));
            (byCell * g * i * (Vector256<float>.One - i)).StoreUnsafe(ref argument, lane);
            (byCell * Vector256.LoadUnsafe(ref before, lane) * f * (Vector256<float>.One - f)).StoreUnsafe(
                ref argument, lane + (nuint)units);
            (byCell * i * (Vector256<float>.One - (g * g))).StoreUnsafe(ref argument, lane + (nuint)(2 * units));
            (byHidden * s * o * (Vector256<float>.One - o)).StoreUnsafe(ref argument, lane + (nuint)(3 * units));
            (byCell * f).StoreUnsafe(ref cell, lane);
        }

        ReadOnlySpan<float> gates = _gates.AsSpan(at * 4, 4 * units);
        for (; j < units; j++)
        {
            (float i, float f, float g, float o) = (gates[j], gates[units + j], gates[(2 * units) + j], gates[(3 * units) + j]);
            float s = _squashed[at + j];
            float byCell = dc[j] + (dh[j] * o * (1 - (s * s)));
            dz[j] = byCell * g * i * (1 - i);
            dz[units + j] = byCell * _cell.Values[at + j] * f * (1 - f);
            dz[(2 * units) + j] = byCell * i * (1 - (g * g));
            dz[(3 * units) + j] = dh[j] * s * o * (1 - o);
            dc[j] = byCell * f;
        }
    }
}
