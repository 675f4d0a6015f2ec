using Edge.Inference.Cells;
using Edge.Inference.Reference;
using Edge.Quantize.Calibration;

namespace Edge.Quantize.Quantization;

/// <summary>
/// One LSTM layer to integers. A row's scale is the integer multiplier itself times a power of two, so the multiplier rounds
/// nothing: the weights are quantised to the scale that the kernel will really use.
/// </summary>
internal static class LstmQuantizer
{
    /// <summary>Quantises a layer.</summary>
    /// <param name="layer">The float layer.</param>
    /// <param name="inputScale">Value of one integer step of each input.</param>
    /// <param name="inputMax">Largest integer |input|: 32767 for readings, 127 for a hidden state.</param>
    /// <param name="hiddenMultiplier">int8 steps per unit of hidden state, per unit.</param>
    /// <param name="cellFractionBits">n of the cell state.</param>
    /// <param name="moment">Second moment of [x, h, 1] on the calibration rows.</param>
    internal static LstmCell Quantise(
        FloatLstm layer, double[] inputScale, int inputMax, short[] hiddenMultiplier, int cellFractionBits, SecondMoment moment)
    {
        double[] hiddenScale = hiddenMultiplier.Select(multiplier => 1.0 / multiplier).ToArray();
        double[] input = ScaleColumns(layer.InputWeight, inputScale);
        double[] recurrent = ScaleColumns(layer.RecurrentWeight, hiddenScale);
        int inputShift = ShiftFor(input, layer.InputCount, inputMax);
        int recurrentShift = ShiftFor(recurrent, layer.HiddenCount, sbyte.MaxValue);

        int gateShift = 15;
        while (gateShift > 0 && !Fits(gateShift))
        {
            gateShift--;
        }

        int rows = 4 * layer.HiddenCount;
        int columns = layer.InputCount + layer.HiddenCount;
        var inputMultiplier = new short[rows];
        var recurrentMultiplier = new short[rows];
        var inputWeight = new sbyte[input.Length];
        var recurrentWeight = new sbyte[recurrent.Length];
        var bias = new int[rows];
        var rounding = new CompensatedRounding(moment);
        var row = new double[columns + 1];
        var step = new double[columns + 1];
        int[] limit = [.. Enumerable.Repeat(127, columns), LstmCell.BiasMax];
        for (int r = 0; r < rows; r++)
        {
            inputMultiplier[r] = (short)Math.Ceiling(Multiplier(Largest(input, layer.InputCount, r), r, inputShift, gateShift));
            recurrentMultiplier[r] = (short)Math.Ceiling(Multiplier(Largest(recurrent, layer.HiddenCount, r), r, recurrentShift, gateShift));
            double sumUnit = Math.ScaleB(1 / StepsPerUnit(r), -gateShift);
            FillRow(r, sumUnit);
            int[] rounded = rounding.Round(row, step, limit);
            for (int j = 0; j < layer.InputCount; j++)
            {
                inputWeight[(r * layer.InputCount) + j] = (sbyte)rounded[j];
            }

            for (int j = 0; j < layer.HiddenCount; j++)
            {
                recurrentWeight[(r * layer.HiddenCount) + j] = (sbyte)rounded[layer.InputCount + j];
            }

            bias[r] = rounded[columns];
        }

        return new LstmCell(
            layer.InputCount, layer.HiddenCount, inputShift, recurrentShift, gateShift, cellFractionBits,
            inputWeight, recurrentWeight, inputMultiplier, recurrentMultiplier, bias, hiddenMultiplier);

        // The row in real units, and what one integer step of each weight is worth in them.
        void FillRow(int r, double sumUnit)
        {
            for (int j = 0; j < layer.InputCount; j++)
            {
                row[j] = layer.InputWeight[(r * layer.InputCount) + j];
                step[j] = Math.ScaleB(inputMultiplier[r] * sumUnit, -inputShift) / inputScale[j];
            }

            for (int j = 0; j < layer.HiddenCount; j++)
            {
                row[layer.InputCount + j] = layer.RecurrentWeight[(r * layer.HiddenCount) + j];
                step[layer.InputCount + j] = Math.ScaleB(recurrentMultiplier[r] * sumUnit, -recurrentShift) / hiddenScale[j];
            }

            row[columns] = layer.Bias[r];
            step[columns] = sumUnit;
        }

        // Q3.12 of the argument for the cell gate, of half the argument for the three sigmoid gates.
        double StepsPerUnit(int r) => r / layer.HiddenCount == 2 ? 4096 : 2048;

        // m = σ·2^shift·steps·2^gateShift with σ = largest/127, the value of one accumulator step.
        double Multiplier(double largest, int r, int shift, int gate) => largest / 127 * Math.ScaleB(StepsPerUnit(r), shift + gate);

        bool Fits(int gate)
        {
            for (int r = 0; r < 4 * layer.HiddenCount; r++)
            {
                if (Multiplier(Largest(input, layer.InputCount, r), r, inputShift, gate) > LstmCell.MultiplierMax
                    || Multiplier(Largest(recurrent, layer.HiddenCount, r), r, recurrentShift, gate) > LstmCell.MultiplierMax
                    || Math.Abs(layer.Bias[r]) * StepsPerUnit(r) * Math.ScaleB(1, gate) > LstmCell.BiasMax)
                {
                    return false;
                }
            }

            return true;
        }
    }

    private static double[] ScaleColumns(float[] weights, double[] scale)
    {
        var scaled = new double[weights.Length];
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] = weights[i] * scale[i % scale.Length];
        }

        return scaled;
    }

    private static double Largest(double[] weights, int columns, int row)
    {
        double largest = 0;
        foreach (double weight in weights.AsSpan(row * columns, columns))
        {
            largest = Math.Max(largest, Math.Abs(weight));
        }

        return largest;
    }

    // The smallest shift that brings the worst row's largest possible sum into 16 bits.
    private static int ShiftFor(double[] weights, int columns, int inputMax)
    {
        double worst = 1;
        for (int r = 0; r < weights.Length / columns; r++)
        {
            double largest = Largest(weights, columns, r);
            if (largest > 0)
            {
                double sum = 0;
                foreach (double weight in weights.AsSpan(r * columns, columns))
                {
                    sum += Math.Abs(weight) / largest;
                }

                worst = Math.Max(worst, ((sum * 127) + (columns / 2)) * inputMax);
            }
        }

        return Math.Max(0, (int)Math.Ceiling(Math.Log2(worst / short.MaxValue)));
    }
}
