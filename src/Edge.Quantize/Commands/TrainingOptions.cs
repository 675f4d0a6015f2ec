using System.Globalization;
using Edge.Inference;

namespace Edge.Quantize.Commands;

/// <summary>Checks what the training commands are given.</summary>
internal static class TrainingOptions
{
    internal static int InRange(int value, string option, int min, int max) => value >= min && value <= max
        ? value
        : throw new InputException($"{option} must be from {min} to {max}.");

    internal static float Dropout(float share) =>
        share is >= 0 and < 1 ? share : throw new InputException("--dropout must be at least 0 and less than 1.");

    /// <summary>A time such as 90s, 5m or 1h.</summary>
    internal static TimeSpan Span(string text)
    {
        (string number, double unit) = text.Length == 0 ? ("", 1) : text[^1] switch
        {
            's' => (text[..^1], 1.0),
            'm' => (text[..^1], 60.0),
            'h' => (text[..^1], 3600.0),
            _ => (text, 1.0),
        };
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            && value * unit is >= 1 and <= 604_800
            ? TimeSpan.FromSeconds(value * unit)
            : throw new InputException($"--budget: '{text}' is not a time from 1s to 168h. Write it as 90s, 5m or 1h.");
    }
}
