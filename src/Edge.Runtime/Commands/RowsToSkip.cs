using System.Globalization;
using Edge.Inference;

namespace Edge.Runtime.Commands;

/// <summary>How many rows at the start of a recording are not scored: a number of rows, or a share of them.</summary>
/// <param name="Share">Share of the rows, 0..1, rounded down.</param>
/// <param name="RowsMax">Most rows; with a share of 1, their number.</param>
internal readonly record struct RowsToSkip(double Share, int RowsMax)
{
    /// <summary>
    /// The probationary period of the Numenta Anomaly Benchmark: 15 % of the rows, and of at most 5000 rows (its getProbationPeriod).
    /// </summary>
    private static readonly RowsToSkip Benchmark = new(0.15, 750);

    /// <summary>Rows of a recording with this many.</summary>
    internal int Of(int rows) => (int)Math.Min(Math.Floor(Share * rows), RowsMax);

    /// <exception cref="InputException">The text is none of these.</exception>
    internal static RowsToSkip Parse(string text)
    {
        if (text == "nab")
        {
            return Benchmark;
        }

        ReadOnlySpan<char> number = text.AsSpan(0, Math.Max(0, text.Length - 1));
        if (text.EndsWith('%')
            && double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share)
            && share < 100)
        {
            return new RowsToSkip(share / 100, int.MaxValue);
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int rows)
            ? new RowsToSkip(1, rows)
            : throw new InputException($"--skip is '{text}'; use a number of rows such as 400, a share below 100% such as 15%, or nab.");
    }
}
