using System.Globalization;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>What a model reads of the time of a tick.</summary>
public sealed class CalendarInputTests
{
    [Theory]
    [InlineData("2024-01-01T00:00:00", 0, 0)]
    [InlineData("2024-01-02T23:59:59", 23, 1)]
    [InlineData("2024-02-29T12:00:00", 12, 3)]
    [InlineData("2023-12-31T01:30:00", 1, 6)]
    public void An_hour_and_a_day_of_the_week_are_numbers_of_symbols_after_sine_and_cosine(string text, int hour, int weekday)
    {
        DateTime time = DateTime.Parse(text, CultureInfo.InvariantCulture);
        float[] inputs = new float[CalendarInputs.Count([CalendarInput.Day, CalendarInput.Weekday, CalendarInput.Hour])];
        CalendarInputs.Fill([CalendarInput.Day, CalendarInput.Weekday, CalendarInput.Hour], time, inputs);
        double turn = 2 * Math.PI * time.TimeOfDay.TotalDays;
        Assert.Equal(4, inputs.Length);
        Assert.Equal(Math.Sin(turn), inputs[0], 1e-6);
        Assert.Equal(Math.Cos(turn), inputs[1], 1e-6);
        Assert.Equal([weekday, hour], inputs[2..]);
    }

    [Fact]
    public void A_step_in_units_takes_the_symbol_from_its_column()
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithSymbol(3, 2, 6, 2));
        var inUnits = new InferenceSession(model);
        var normalized = new InferenceSession(model);
        double[] y = new double[2];
        float[] expected = new float[2];
        for (int symbol = 0; symbol < RandomModels.Symbols; symbol++)
        {
            inUnits.StepInUnits([0.5, 2, symbol], y);
            normalized.Step([0.5f, 0.5f, symbol], expected);
            Assert.Equal(expected.Select((value, k) => model.Manifest.DenormalizeOutput(k, value)), y);
        }

        Assert.Throws<ArgumentException>(() => inUnits.StepInUnits([0.5, 2, 1.5], y));
    }
}
