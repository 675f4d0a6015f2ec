using System.Globalization;

namespace Edge.Sensors;

/// <summary>The possible values of a channel, in its unit: others are those of a fault or an error code.</summary>
/// <param name="Min">Smallest one; NaN for none.</param>
/// <param name="Max">Largest one; NaN for none.</param>
internal readonly record struct ValueRange(double Min, double Max)
{
    /// <summary>No limit.</summary>
    internal static ValueRange All { get; } = new(double.NaN, double.NaN);

    /// <summary>Whether it leaves a value out.</summary>
    internal bool IsLimited => !double.IsNaN(Min) || !double.IsNaN(Max);

    /// <summary>
    /// Why a value is not possible, as a clause, or null. It stands last and quoted: two beyond the same limit are one cause.
    /// </summary>
    internal string? Outside(double value) =>
        value > Max ? string.Create(CultureInfo.InvariantCulture, $"the value is above 'max', which is {Max}: '{value}'")
        : value < Min ? string.Create(CultureInfo.InvariantCulture, $"the value is below 'min', which is {Min}: '{value}'")
        : null;
}
