namespace Edge.Inference.Models;

/// <summary>
/// A part of the time of a tick that a model reads beside its columns. Of a day, week or year it is two inputs, the sine and the cosine of
/// how much of it has passed; an hour and a day of the week are one, the number of a symbol.
/// </summary>
public enum CalendarInput
{
    /// <summary>Time of day, UTC.</summary>
    Day,

    /// <summary>Time of week from Monday on, UTC.</summary>
    Week,

    /// <summary>Time of year, UTC.</summary>
    Year,

    /// <summary>Hour of the day, 0 to 23, UTC: a symbol.</summary>
    Hour,

    /// <summary>Day of the week, 0 for Monday to 6 for Sunday, UTC: a symbol.</summary>
    Weekday,
}

/// <summary>Computes the inputs of a calendar.</summary>
public static class CalendarInputs
{
    // Terms of the series of the sine; the last one is below 1e-17 at π/2.
    private const int Terms = 11;

    /// <summary>Inputs that a calendar has together.</summary>
    public static int Count(IReadOnlyList<CalendarInput> calendar)
    {
        int count = 0;
        for (int i = 0; i < calendar.Count; i++)
        {
            count += SymbolsOf(calendar[i]) > 0 ? 1 : 2;
        }

        return count;
    }

    /// <summary>Writes the inputs of each entry, the same bits on every processor.</summary>
    /// <param name="calendar">The entries.</param>
    /// <param name="time">Time of the tick, UTC.</param>
    /// <param name="inputs">Receives sine and cosine, each from -1 to 1, or the number of a symbol, of each entry.</param>
    public static void Fill(IReadOnlyList<CalendarInput> calendar, DateTime time, Span<float> inputs)
    {
        int at = 0;
        for (int i = 0; i < calendar.Count; i++)
        {
            if (SymbolsOf(calendar[i]) > 0)
            {
                inputs[at++] = calendar[i] == CalendarInput.Hour ? time.Hour : DaysFromMonday(time);
                continue;
            }

            double phase = Phase(calendar[i], time);
            inputs[at++] = (float)Sine(phase);
            inputs[at++] = (float)Sine(phase + 0.25);
        }
    }

    /// <summary>Symbols that an entry numbers; 0 where it is a sine and a cosine.</summary>
    internal static int SymbolsOf(CalendarInput entry) => entry switch
    {
        CalendarInput.Hour => 24,
        CalendarInput.Weekday => 7,
        _ => 0,
    };

    private static int DaysFromMonday(DateTime time) => ((int)time.DayOfWeek + 6) % 7;

    private static double Phase(CalendarInput input, DateTime time)
    {
        double day = (double)time.TimeOfDay.Ticks / TimeSpan.TicksPerDay;
        return input switch
        {
            CalendarInput.Day => day,
            CalendarInput.Week => (DaysFromMonday(time) + day) / 7,
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
