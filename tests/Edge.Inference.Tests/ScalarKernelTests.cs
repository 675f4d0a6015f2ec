using System.Numerics;
using Edge.Inference.Cells;
using Edge.Inference.Kernels;
using Edge.Inference.Models;
using Edge.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Edge.Inference.Tests;

/// <summary>The scalar kernel against the formulas of docs/quantization.md in numbers that cannot overflow.</summary>
public sealed class ScalarKernelTests
{
    [Fact]
    public void Every_step_equals_the_formulas_in_unbounded_integers() =>
        Prop.ForAll(
            Gen.Choose(0, 1_000_000).ToArbitrary(),
            Gen.Choose(1, 40).ToArbitrary(),
            Gen.Choose(1, 40).ToArbitrary(),
            EqualsFormulas)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    private static void EqualsFormulas(int seed, int inputs, int units)
    {
        var cell = (LstmCell)EdgeModel.Parse(RandomModels.Int8(seed, inputs, units, 1, 1)).Layers[0];
        var random = new Random(seed);
        var h = new short[units];
        var c = new short[units];
        var hidden = new short[units];
        BigInteger[] bigH = new BigInteger[units];
        BigInteger[] bigC = new BigInteger[units];
        for (int step = 0; step < 5; step++)
        {
            short[] x = Enumerable.Range(0, inputs).Select(_ => Extreme(random)).ToArray();
            ScalarKernel.StepLstm(cell, x, h, c, hidden, new short[4 * units], new uint[units]);
            for (int j = 0; j < units; j++)
            {
                h[j] = (short)ScalarKernel.Narrow(hidden[j], cell.HiddenMultiplier[j]);
            }

            BigInteger[] bigHidden = Formulas(cell, x, bigH, bigC);
            Assert.Equal(bigC, c.Select(value => (BigInteger)value));
            Assert.Equal(bigHidden, hidden.Select(value => (BigInteger)value));
            Assert.Equal(bigH, h.Select(value => (BigInteger)value));
        }
    }

    // Half of all readings at the ends of the range, where sums are largest.
    private static short Extreme(Random random) => random.Next(4) switch
    {
        0 => short.MaxValue,
        1 => -short.MaxValue,
        _ => (short)random.Next(-32767, 32768),
    };

    private static BigInteger[] Formulas(LstmCell cell, short[] x, BigInteger[] h, BigInteger[] c)
    {
        int units = cell.UnitCount;
        var z = new BigInteger[4 * units];
        for (int r = 0; r < z.Length; r++)
        {
            BigInteger fromX = 0;
            for (int i = 0; i < x.Length; i++)
            {
                fromX += cell.InputWeight[(r * x.Length) + i] * x[i];
            }

            BigInteger fromH = 0;
            for (int j = 0; j < units; j++)
            {
                fromH += cell.RecurrentWeight[(r * units) + j] * h[j];
            }

            BigInteger sum = (cell.RecurrentMultiplier[r] * Saturate(Shift(fromH, cell.RecurrentShift)))
                + (cell.InputMultiplier[r] * Saturate(Shift(fromX, cell.InputShift))) + cell.Bias[r];
            z[r] = Saturate(Shift(sum, cell.GateShift));
        }

        var hidden = new BigInteger[units];
        for (int j = 0; j < units; j++)
        {
            int n = cell.CellFractionBits[j];
            BigInteger i = FixedPoint.Sigmoid((int)z[j]);
            BigInteger f = FixedPoint.Sigmoid((int)z[units + j]);
            BigInteger g = FixedPoint.Tanh((int)z[(2 * units) + j]);
            BigInteger o = FixedPoint.Sigmoid((int)z[(3 * units) + j]);
            c[j] = Saturate(Shift(f * c[j], 15) + Shift(i * g, 30 - n));
            BigInteger t = n >= 12 ? Shift(c[j], n - 12) : Saturate(c[j] << (12 - n));
            hidden[j] = Shift(o * FixedPoint.Tanh((int)t), 15);
            h[j] = BigInteger.Max(-127, BigInteger.Min(127, Shift(hidden[j] * cell.HiddenMultiplier[j], 15)));
        }

        return hidden;
    }

    private static BigInteger Shift(BigInteger value, int shift) => shift == 0 ? value : (value + (BigInteger.One << (shift - 1))) >> shift;

    private static BigInteger Saturate(BigInteger value) => BigInteger.Max(-32768, BigInteger.Min(32767, value));
}
