namespace Edge.Inference.Models;

/// <summary>
/// A part of the time of a tick that a model reads beside its columns: two inputs, the sine and the cosine of how much of it has passed.
/// </summary>
public enum CalendarInput
{
    /// <summary>Time of day, UTC.</summary>
    Day,

    /// <summary>Time of week from Monday on, UTC.</summary>
    Week,

    /// <summary>Time of year, UTC.</summary>
    Year,
}

/// <summary>Computes the inputs of a calendar.</summary>
public static class CalendarInputs
{
    // Terms of the series of the sine; the last one is below 1e-17 at π/2.
    private const int Terms = 11;

    /// <summary>Inputs for each entry of a calendar.</summary>
    public const int PerEntry = 2;

    /// <summary>Writes sine and cosine of each entry, the same bits on every processor.</summary>
    /// <param name="calendar">The entries.</param>
    /// <param name="time">Time of the tick, UTC.</param>
    /// <param name="inputs">Receives <see cref="PerEntry"/> values for each entry, each from -1 to 1.</param>
    public static void Fill(IReadOnlyList<CalendarInput> calendar, DateTime time, Span<float> inputs)
    {
        for (int i = 0; i < calendar.Count; i++)
        {
            double phase = Phase(calendar[i], time);
            inputs[PerEntry * i] = (float)Sine(phase);
            inputs[(PerEntry * i) + 1] = (float)Sine(phase + 0.25);
        }
    }

    private static double Phase(CalendarInput input, DateTime time)
    {
        double day = (double)time.TimeOfDay.Ticks / TimeSpan.TicksPerDay;
        return input switch
        {
            CalendarInput.Day => day,
            CalendarInput.Week => ((((int)time.DayOfWeek + 6) % 7) + day) / 7,
            _ => (time.DayOfYear - 1 + day) / (DateTime.IsLeapYear(time.Year) ? 366 : 365),
        };
    }

    // sin 2πp for p of 0..1.25, from the series of the quarter that p lies in.
    private static double Sine(double p)
    {
        double turn = p - Math.Floor(p);
        double sign = turn < 0.5 ? 1 : -1;
        double half = turn < 0.5 ? turn : turn - 0.5;
        double x = 2 * Math.PI * (half <= 0.25 ? half : 0.5 - half);
        double term = x;
        double sum = x;
        for (int n = 1; n < Terms; n++)
        {
            term *= -x * x / ((2 * n) * ((2 * n) + 1));
            sum += term;
        }

        return sign * sum;
    }
}
