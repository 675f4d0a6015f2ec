using Edge.Runtime.Commands;

namespace Edge.Runtime.Tests;

/// <summary>A reading that is missing is not a zero.</summary>
public sealed class DemoViewTests
{
    [Theory]
    [InlineData("▁ █", new[] { 1, 0, 0, double.NaN, 0, 0, 3 })]
    [InlineData("  ", new[] { double.NaN, double.NaN, double.NaN, double.NaN })]
    public void A_sparkline_has_a_gap_where_there_was_no_reading(string expected, double[] values) =>
        Assert.Equal(expected, DemoView.Sparkline([.. values.Select(value => value == 0 ? 2 : value)]));
}
