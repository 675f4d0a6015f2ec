using Edge.Inference.Cells;

namespace Edge.Quantize.Quantization;

/// <summary>The rows of one gate in real units.</summary>
/// <param name="Input">W_x [U, I]; empty where the gate does not read the input.</param>
/// <param name="Recurrent">W_h [U, U]; empty where it does not read the state.</param>
/// <param name="Bias">b [U].</param>
/// <param name="Plan">What its sums become.</param>
/// <param name="Rounding">Of the columns that it reads, the bias last.</param>
internal sealed record GateRows(float[] Input, float[] Recurrent, float[] Bias, ArgumentPlan Plan, CompensatedRounding Rounding);

/// <summary>The same rows in integers.</summary>
internal sealed record GateIntegers(
    short[] InputWeight,
    short[] RecurrentWeight,
    short[] InputMultiplier,
    short[] RecurrentMultiplier,
    int[] Bias);

/// <summary>
/// The gates of one layer to integers. A row's scale is the integer multiplier itself times a power of two, so the multiplier rounds
/// nothing: the weights are quantized to the scale that the kernel will really use.
/// </summary>
internal sealed class GateQuantizer
{
    private readonly IReadOnlyList<GateRows> _gates;
    private readonly int _units;
    private readonly Operand _input;
    private readonly Operand _hidden;

    private GateQuantizer(IReadOnlyList<GateRows> gates, Operand input, Operand hidden)
    {
        _gates = gates;
        _units = gates[0].Bias.Length;
        _input = input;
        _hidden = hidden;
        InputShift = ShiftFor(_input, rows => rows.Input);
        RecurrentShift = ShiftFor(_hidden, rows => rows.Recurrent);
        GateShift = 15;
        while (GateShift > 0 && !Fits())
        {
            GateShift--;
        }
    }

    internal int InputShift { get; }

    internal int RecurrentShift { get; }

    internal int GateShift { get; private set; }

    /// <summary>Chooses the shifts that all gates of a layer share.</summary>
    internal static GateQuantizer Plan(IReadOnlyList<GateRows> gates, Operand input, Operand hidden) => new(gates, input, hidden);

    /// <summary>One gate in integers.</summary>
    internal GateIntegers Quantize(GateRows gate)
    {
        int inputs = gate.Input.Length / _units;
        int states = gate.Recurrent.Length / _units;
        int columns = inputs + states;
        var integers = new GateIntegers(
            new short[gate.Input.Length],
            new short[gate.Recurrent.Length],
            new short[_units],
            new short[_units],
            new int[_units]);
        int[] limit = [.. Enumerable.Repeat(_input.WeightMax, inputs), .. Enumerable.Repeat(_hidden.WeightMax, states), GateLayer.BiasMax];
        double sumUnit = Math.ScaleB(1 / gate.Plan.Steps, -GateShift);
        Parallel.For(0, _units, u =>
        {
            var row = new double[columns + 1];
            var step = new double[columns + 1];
            integers.InputMultiplier[u] = (short)Math.Ceiling(Multiplier(gate, gate.Input, _input, u, InputShift));
            integers.RecurrentMultiplier[u] = (short)Math.Ceiling(Multiplier(gate, gate.Recurrent, _hidden, u, RecurrentShift));
            Fill(row, step, gate.Input, _input, u, inputs, Math.ScaleB(integers.InputMultiplier[u] * sumUnit, -InputShift), 0);
            Fill(row, step, gate.Recurrent, _hidden, u, states, Math.ScaleB(integers.RecurrentMultiplier[u] * sumUnit, -RecurrentShift),
                inputs);
            row[columns] = (gate.Plan.Factor * gate.Bias[u]) + gate.Plan.Term;
            step[columns] = sumUnit;
            int[] rounded = gate.Rounding.Round(row, step, limit);
            for (int j = 0; j < inputs; j++)
            {
                integers.InputWeight[(u * inputs) + j] = (short)rounded[j];
            }

            for (int j = 0; j < states; j++)
            {
                integers.RecurrentWeight[(u * states) + j] = (short)rounded[inputs + j];
            }

            integers.Bias[u] = rounded[columns];
        });
        return integers;

        // The row in real units, and what one integer step of each weight is worth in them.
        void Fill(double[] row, double[] step, float[] weights, Operand operand, int u, int count, double unit, int at)
        {
            for (int j = 0; j < count; j++)
            {
                row[at + j] = gate.Plan.Factor * weights[(u * count) + j];
                step[at + j] = unit / operand.Scale[j];
            }
        }
    }

    // m = σ·2^shift·steps·2^gateShift with σ the value of one accumulator step.
    private double Multiplier(GateRows gate, float[] weights, Operand operand, int u, int shift) =>
        weights.Length == 0 ? 0 : Row.Of(gate, weights, operand, u, _units).Unit * Math.ScaleB(gate.Plan.Steps, shift + GateShift);

    private bool Fits()
    {
        foreach (GateRows gate in _gates)
        {
            for (int u = 0; u < _units; u++)
            {
                if (Multiplier(gate, gate.Input, _input, u, InputShift) > GateLayer.MultiplierMax
                    || Multiplier(gate, gate.Recurrent, _hidden, u, RecurrentShift) > GateLayer.MultiplierMax
                    || Math.Abs(
                        (gate.Plan.Factor * gate.Bias[u]) + gate.Plan.Term) * Math.ScaleB(gate.Plan.Steps, GateShift) > GateLayer.BiasMax)
                {
                    return false;
                }
            }
        }

        return true;
    }

    // The smallest shift that brings the worst row's largest possible sum into 16 bits.
    private int ShiftFor(Operand operand, Func<GateRows, float[]> weights)
    {
        double worst = 1;
        foreach (GateRows gate in _gates.Where(gate => weights(gate).Length > 0))
        {
            for (int u = 0; u < _units; u++)
            {
                worst = Math.Max(worst, Row.Of(gate, weights(gate), operand, u, _units).LargestSum * operand.Max);
            }
        }

        return Math.Clamp((int)Math.Ceiling(Math.Log2(worst / short.MaxValue)), 0, 30);
    }

    // What a row's integers will be like: the value of one step and the largest sum of their magnitudes.
    private readonly record struct Row(double Unit, double LargestSum)
    {
        internal static Row Of(GateRows gate, float[] weights, Operand operand, int u, int units)
        {
            int columns = weights.Length / units;
            double largest = 0;
            double sum = 0;
            for (int j = 0; j < columns; j++)
            {
                double weight = Math.Abs(gate.Plan.Factor * weights[(u * columns) + j] * operand.Scale[j]);
                largest = Math.Max(largest, weight);
                sum += weight;
            }

            if (largest == 0)
            {
                return default;
            }

            // The accumulator has 31 bits, a part of them for the rounding; compensation may move each weight by a step or two. Rows of
            // int8 hardly ever need fewer than 127 steps for that.
            double room = ((int.MaxValue - (1 << 29)) / (double)operand.Max) - (2 * columns);
            double unit = Math.Max(largest / operand.WeightMax, room > 0 ? sum / room : double.PositiveInfinity);
            return new Row(unit, (sum / unit) + (columns / 2.0));
        }
    }
}
