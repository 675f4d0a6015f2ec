using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>Quantiles beside those of SciPy 1.10.</summary>
[Trait("Runs", "kernels")]
public sealed class QuantileTests
{
    [Theory]
    [InlineData(0.4, 0.2533471031357997)]
    [InlineData(0.01, 2.3263478740408408)]
    [InlineData(1e-6, 4.753424308822899)]
    [InlineData(1e-12, 7.034483825301132)]
    [InlineData(1e-100, 21.273453560965)]
    public void A_normal_variable_exceeds_its_quantile_with_the_probability(double probability, double expected) =>
        Assert.Equal(expected, Quantile.Normal(probability), 1e-6 * expected);

    [Theory]
    [InlineData(1e-3, 3, 10.214532)]
    [InlineData(1e-6, 10, 9.751995)]
    [InlineData(1e-6, 100, 5.048831)]
    [InlineData(1e-9, 30, 8.445863)]
    [InlineData(0.01, 4, 3.746947)]
    [InlineData(1e-12, 5000, 7.052279)]
    public void So_does_a_variable_of_Students_distribution(double probability, double degrees, double expected) =>
        Assert.Equal(expected, Quantile.Student(probability, degrees), 2e-3 * expected);
}
