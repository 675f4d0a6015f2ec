using System.Runtime.Intrinsics;
using Edge.Training.Layers;
using Edge.Training.Numerics;

namespace Edge.Training.Blocks;

/// <summary>
/// The recurrence of the sLSTM (arXiv 2405.04517, equations 8 to 17): with the arguments i~, f~, z~, o~ = a + R·y + b of its gates,
/// <code>
/// m' = max(log σ(f~) + m, i~)  (i~ in the first step)      i = exp(i~ - m')      f = exp(log σ(f~) + m - m')
/// c' = f·c + i·tanh(z~)      n' = f·n + i      y' = σ(o~)·c'/n'
/// </code>
/// The stabilizer m scales c and n alike, so y does not depend on it, and no derivative goes through it. Gates stand in the order i, f,
/// z, o.
/// </summary>
internal sealed class SlstmCell
{
    private readonly int _units;
    private readonly HeadwiseProduct[] _recurrent;
    private readonly StateTape _hidden = new();
    private readonly StateTape _cell = new();
    private readonly StateTape _normalizer = new();
    private readonly StateTape _stabilizer = new();

    // 1 - σ(f~): [T, B, U].
    private float[] _slope = [];
    private float[] _gates = [];

    // Derivatives by y, c and n of a step.
    private float[] _hiddenGradient = [];
    private float[] _cellGradient = [];
    private float[] _normalizerGradient = [];

    /// <summary>Starts without recurrent weights, and with forget gates that remember from 20 to 400 steps.</summary>
    /// <param name="unitCount">U, a multiple of 8.</param>
    /// <param name="heads">H: blocks of the recurrent weights.</param>
    internal SlstmCell(int unitCount, int heads)
    {
        _units = unitCount;
        _recurrent = [.. "ifzo".Select(gate => new HeadwiseProduct($"recurrent_weight_{gate}", unitCount, unitCount, heads))];
        Bias = new Parameter("bias", 1, 4 * unitCount, false);
        for (int unit = 0; unit < unitCount; unit++)
        {
            Bias.Value[unitCount + unit] = 3 + (3f * unit / (unitCount - 1));
        }
    }

    internal IEnumerable<Parameter> Parameters => [.. _recurrent.Select(product => product.Weight), Bias];

    /// <summary>R of i, f, z, o.</summary>
    internal IReadOnlyList<HeadwiseProduct> Recurrent => _recurrent;

    /// <summary>b [4U].</summary>
    internal Parameter Bias { get; }

    internal void Reset()
    {
        _hidden.Reset();
        _cell.Reset();
        _normalizer.Reset();
        _stabilizer.Reset();
    }

    /// <summary>Room for the arguments of the gates, where b stands already.</summary>
    /// <param name="rows">T·B.</param>
    /// <returns>[T, B, 4U]; a is to be added.</returns>
    internal Span<float> Begin(int rows)
    {
        TrainableLayer.Grow(ref _gates, rows * 4 * _units);
        Span<float> arguments = _gates.AsSpan(0, rows * 4 * _units);
        for (int at = 0; at < arguments.Length; at += 4 * _units)
        {
            Bias.Value.CopyTo(arguments[at..]);
        }

        return arguments;
    }

    /// <summary>Steps a sequence. What <see cref="Begin"/> gave has a + b and becomes the gates.</summary>
    /// <param name="y">Receives [T, B, U].</param>
    /// <param name="strands">B.</param>
    internal void Forward(Span<float> y, int strands)
    {
        int row = strands * _units;
        int steps = y.Length / row;
        _hidden.Begin(steps, row);
        _cell.Begin(steps, row);
        _normalizer.Begin(steps, row);
        _stabilizer.Begin(steps, row);
        TrainableLayer.Grow(ref _slope, y.Length);
        for (int t = 0; t < steps; t++)
        {
            Span<float> gates = _gates.AsSpan(t * row * 4, row * 4);
            for (int gate = 0; gate < 4; gate++)
            {
                _recurrent[gate].Add(_hidden.Values.AsSpan(t * row, row), _units, gates[(gate * _units)..], 4 * _units, strands);
            }

            for (int at = t * row; at < (t + 1) * row; at += _units)
            {
                StepStrand(_gates.AsSpan(at * 4, 4 * _units), at, row);
            }
        }

        _hidden.Values.AsSpan(row, y.Length).CopyTo(y);
    }

    /// <summary>Adds to the gradients of R and b.</summary>
    /// <param name="dy">[T, B, U].</param>
    /// <param name="byArgument">Receives the derivative by the arguments of the gates, [T, B, 4U].</param>
    /// <param name="strands">B.</param>
    internal void Backward(ReadOnlySpan<float> dy, Span<float> byArgument, int strands)
    {
        int row = strands * _units;
        Span<float> dh = TrainableLayer.Zeros(ref _hiddenGradient, row);
        Span<float> dc = TrainableLayer.Zeros(ref _cellGradient, row);
        Span<float> dn = TrainableLayer.Zeros(ref _normalizerGradient, row);
        foreach (HeadwiseProduct product in _recurrent)
        {
            product.Transpose();
        }

        for (int t = (dy.Length / row) - 1; t >= 0; t--)
        {
            Span<float> gradient = byArgument.Slice(t * row * 4, row * 4);
            VectorMath.Add(dy.Slice(t * row, row), dh);
            for (int at = 0; at < row; at += _units)
            {
                BackStrand(
                    (t * row) + at, row, dh.Slice(at, _units), dc.Slice(at, _units), dn.Slice(at, _units),
                    gradient.Slice(at * 4, 4 * _units));
            }

            dh.Clear();
            for (int gate = 0; gate < 4; gate++)
            {
                _recurrent[gate].AddBack(gradient[(gate * _units)..], 4 * _units, dh, _units, strands);
            }
        }

        for (int gate = 0; gate < 4; gate++)
        {
            _recurrent[gate].AddGradient(_hidden.Values, _units, byArgument[(gate * _units)..], 4 * _units, dy.Length / _units);
        }

        MatrixProduct.AddRows(byArgument, Bias.Gradient);
    }

    // gates: arguments of a strand, which become gates; at: the strand's place in the states before the step.
    private void StepStrand(Span<float> gates, int at, int row)
    {
        Span<float> f = gates[_units..];
        Span<float> z = gates[(2 * _units)..];
        Span<float> o = gates[(3 * _units)..];
        for (int j = 0; j < _units; j += 8)
        {
            Vector256<float> input = Vector256.Create<float>(gates[j..]);
            Vector256<float> logForget = VectorMath.LogSigmoidOf(Vector256.Create<float>(f[j..]));
            Vector256<float> n = Vector256.Create(_normalizer.Values.AsSpan(at + j));
            Vector256<float> kept = Vector256.Create(_stabilizer.Values.AsSpan(at + j)) + logForget;
            Vector256<float> m = Vector256.ConditionalSelect(
                Vector256.Equals(n, Vector256<float>.Zero), input, Vector256.Max(kept, input));
            Vector256<float> inputGate = VectorMath.ExpOf(input - m);
            Vector256<float> forgetGate = VectorMath.ExpOf(Vector256.Min(kept - m, Vector256<float>.Zero));
            Vector256<float> candidate = VectorMath.TanhOf(Vector256.Create<float>(z[j..]));
            Vector256<float> outputGate = VectorMath.SigmoidOf(Vector256.Create<float>(o[j..]));
            Vector256<float> c = (forgetGate * Vector256.Create(_cell.Values.AsSpan(at + j))) + (inputGate * candidate);
            n = (forgetGate * n) + inputGate;
            inputGate.CopyTo(gates[j..]);
            forgetGate.CopyTo(f[j..]);
            candidate.CopyTo(z[j..]);
            outputGate.CopyTo(o[j..]);
            (Vector256<float>.One - VectorMath.ExpOf(logForget)).CopyTo(_slope.AsSpan(at + j));
            int after = at + row + j;
            c.CopyTo(_cell.Values.AsSpan(after));
            n.CopyTo(_normalizer.Values.AsSpan(after));
            m.CopyTo(_stabilizer.Values.AsSpan(after));
            (outputGate * c / n).CopyTo(_hidden.Values.AsSpan(after));
        }
    }

    // dh: by y of this step; dc, dn: by c and n of this step from the step after, become those by c and n of the step before; dz: receives
    // the derivative by the arguments of the gates.
    private void BackStrand(int at, int row, ReadOnlySpan<float> dh, Span<float> dc, Span<float> dn, Span<float> dz)
    {
        ReadOnlySpan<float> gates = _gates.AsSpan(at * 4, 4 * _units);
        for (int j = 0; j < _units; j += 8)
        {
            Vector256<float> i = Vector256.Create(gates[j..]);
            Vector256<float> f = Vector256.Create(gates[(_units + j)..]);
            Vector256<float> z = Vector256.Create(gates[((2 * _units) + j)..]);
            Vector256<float> o = Vector256.Create(gates[((3 * _units) + j)..]);
            Vector256<float> n = Vector256.Create(_normalizer.Values.AsSpan(at + row + j));
            Vector256<float> mean = Vector256.Create(_cell.Values.AsSpan(at + row + j)) / n;
            Vector256<float> byHidden = Vector256.Create(dh[j..]);
            Vector256<float> byMean = byHidden * o / n;
            Vector256<float> byCell = Vector256.Create<float>(dc[j..]) + byMean;
            Vector256<float> byNormalizer = Vector256.Create<float>(dn[j..]) - (byMean * mean);
            Vector256<float> byForget = (byCell * Vector256.Create(_cell.Values.AsSpan(at + j)))
                + (byNormalizer * Vector256.Create(_normalizer.Values.AsSpan(at + j)));
            (((byCell * z) + byNormalizer) * i).CopyTo(dz[j..]);
            (byForget * f * Vector256.Create(_slope.AsSpan(at + j))).CopyTo(dz[(_units + j)..]);
            (byCell * i * (Vector256<float>.One - (z * z))).CopyTo(dz[((2 * _units) + j)..]);
            (byHidden * mean * o * (Vector256<float>.One - o)).CopyTo(dz[((3 * _units) + j)..]);
            (byCell * f).CopyTo(dc[j..]);
            (byNormalizer * f).CopyTo(dn[j..]);
        }
    }
}
