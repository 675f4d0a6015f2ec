using System.Globalization;
using Edge.Inference.Models;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Learning;
using Edge.Testing;
using Edge.Training.Reference;

namespace Edge.Quantize.Tests;

/// <summary>The linear part of <c>train</c>: which rows its regressions learn from.</summary>
public sealed class LinearForecastTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // A flow that the operator moves in the first six days and at the end, and a temperature that follows it an hour later. The rows of the
    // week before reach over those six days: what reads the last day alone must learn from them all the same.
    [Fact]
    public void What_reads_few_rows_learns_from_the_first_rows_too()
    {
        var random = new Random(3);
        var lines = new List<string> { "time,flow,temperature" };
        double flow = 0;
        for (int row = 0; row < 1200; row++)
        {
            double temperature = flow + (0.5 * random.NextDouble());
            flow = (row is < 150 or > 960 ? 1 : 0.3) * random.NextDouble();
            string time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddHours(row).ToString("s", CultureInfo.InvariantCulture);
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"{time}Z,{flow:0.000},{temperature:0.000}"));
        }

        TrainingRows rows = TrainingRows.Load(
            [new() { File = _folder.Write("x.csv", string.Join('\n', lines)) }], [], period: null, calendar: []);
        var targets = new ForecastTargets(rows, [new ModelOutput(1, 1)]);
        LinearForecast linear = LinearForecast.Fit(rows, targets);
        Assert.Equal(167, linear.Lags[^1]);
        double model = Rms(rows, targets, linear.ToRegression());
        double few = Rms(rows, targets, LinearForecast.Fit(rows, targets, most: LinearForecast.BaselineLags).ToRegression());
        Assert.InRange(model / few, 0, 1.05);
    }

    private static double Rms(TrainingRows rows, ForecastTargets targets, FloatLagRegression regression)
    {
        var state = new float[regression.StateCount];
        var said = new float[1];
        ErrorSum sum = default;
        for (int row = 0; row < rows.RowCount; row++)
        {
            said[0] = 0;
            regression.Step(state, rows.Row(row), said);
            float target = targets.Of(row, 0, rows.RowCount);
            if (row >= rows.ValidationEnd && !float.IsNaN(target))
            {
                sum.Add(said[0] - target);
            }
        }

        return sum.Rms;
    }
}
