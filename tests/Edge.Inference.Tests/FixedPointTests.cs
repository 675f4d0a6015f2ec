using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Kernels;

namespace Edge.Inference.Tests;

public sealed class FixedPointTests
{
    [Fact]
    public void Tanh_is_within_three_units_of_the_last_place_for_every_argument()
    {
        double worst = 0;
        for (int t = short.MinValue; t <= short.MaxValue; t++)
        {
            worst = Math.Max(worst, Math.Abs(FixedPoint.Tanh(t) - (32768 * Math.Tanh(t / 4096.0))));
        }

        Assert.InRange(worst, 0.5, 3.0);
    }

    [Fact]
    public void Tanh_is_odd_and_stays_in_range_for_every_argument()
    {
        Assert.Equal(0, FixedPoint.Tanh(0));
        for (int t = 1; t <= short.MaxValue; t++)
        {
            Assert.Equal(FixedPoint.Tanh(t), -FixedPoint.Tanh(-t));
            Assert.InRange(FixedPoint.Tanh(t), 0, 32767);
        }
    }

    [Avx2Fact]
    public void Tanh_of_sixteen_lanes_is_that_of_one_for_every_argument()
    {
        for (int t = short.MinValue; t <= short.MaxValue; t += 16)
        {
            var arguments = Vector256.Create((short)t) + Vector256<short>.Indices;
            Vector256<short> a = arguments;
            Vector256<short> b = -arguments;
            (Vector256<short> c, Vector256<short> d) = (a, b);
            Activations256.Tanh(ref a, ref b, ref c, ref d);
            Assert.Equal(a, Activations256.Tanh(arguments));
            Assert.Equal((a, b), (c, d));
            for (int lane = 0; lane < 16; lane++)
            {
                Assert.Equal(FixedPoint.Tanh(arguments[lane]), a[lane]);
                Assert.Equal(FixedPoint.Tanh((short)-arguments[lane]), b[lane]);
            }
        }
    }

    [Fact]
    public void Sigmoid_stays_in_range_and_is_a_half_at_zero()
    {
        Assert.Equal(16384, FixedPoint.Sigmoid(0));
        for (int t = short.MinValue; t <= short.MaxValue; t++)
        {
            Assert.InRange(FixedPoint.Sigmoid(t), 0, 32767);
        }
    }

    [Theory]
    [InlineData(5, 1, 3)]
    [InlineData(-5, 1, -2)]
    [InlineData(-6, 2, -1)]
    [InlineData(7, 0, 7)]
    public void Shift_rounds_half_up(int value, int shift, int expected) =>
        Assert.Equal(expected, FixedPoint.ShiftRightRound(value, shift));

    [Theory]
    [InlineData(16384, 16384, 8192)]
    [InlineData(-1, 16384, 0)]
    [InlineData(-3, 16384, -1)]
    [InlineData(-32768, 32767, -32767)]
    public void Product_rounds_half_up(int a, int b, int expected) => Assert.Equal(expected, FixedPoint.MultiplyRound(a, b));

    private sealed class Avx2FactAttribute : FactAttribute
    {
        public Avx2FactAttribute()
        {
            if (!Avx2.IsSupported)
            {
                Skip = "This processor has no AVX2.";
            }
        }
    }
}
