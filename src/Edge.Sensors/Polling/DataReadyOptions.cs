namespace Edge.Sensors.Polling;

/// <summary>Which edge of a data-ready line is a tick.</summary>
internal enum LineEdge
{
    Rising,
    Falling,
}

/// <summary>A data-ready line: a tick at each of its edges.</summary>
/// <param name="Chip">Number of the GPIO chip, 0 for /dev/gpiochip0; null for the board's own pins and their numbers.</param>
/// <param name="Pin">Line on it.</param>
/// <param name="Edge">Which edge is a tick.</param>
internal sealed record DataReadyOptions(int? Chip, int Pin, LineEdge Edge);
