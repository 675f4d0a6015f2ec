using Edge.Inference;
using Edge.Sensors.Replay;

namespace Edge.Quantize.Learning;

/// <summary>
/// A recording that has several sensors below each other: one column names the sensor of a row, another has its value, as in a download
/// of Home Assistant's history. Learned as it is, it would be one column that jumps from sensor to sensor.
/// </summary>
internal static class LongFormat
{
    private static readonly string[] SensorNames =
        ["entity_id", "entity", "friendly_name", "series", "metric", "sensor", "sensor_id", "tag", "tagname", "signal", "variable"];

    /// <summary>Refuses a recording with several sensors below each other.</summary>
    /// <param name="options">The recording.</param>
    /// <param name="header">Its header.</param>
    /// <param name="isNumber">Which of its columns hold numbers.</param>
    /// <exception cref="InputException">It has.</exception>
    internal static void Refuse(ReplayOptions options, string[] header, bool[] isNumber)
    {
        int at = Array.FindIndex(header, name => SensorNames.Contains(name.ToLowerInvariant()));
        int values = header.Where((name, i) => isNumber[i] && !RecordingShape.IsNameOfTime(name) && !options.TimeColumns.Contains(name))
            .Count();
        if (at < 0 || isNumber[at] || values != 1)
        {
            return;
        }

        using var rows = new CsvRows(options.File, [], options.Order);
        string? first = null;
        int line = 0;
        while (rows.Read())
        {
            string sensor = rows[at]?.Trim() ?? "";
            if (first is null)
            {
                (first, line) = (sensor, rows.Line);
            }
            else if (sensor.Length > 0 && sensor != first)
            {
                throw new InputException(
                    $"Readings '{options.File}' have several sensors below each other: column '{header[at]}' is "
                        + $"{PrintableText.Quoted(first)} in line {line} and {PrintableText.Quoted(sensor)} in line {rows.Line}. "
                        + "Give each sensor a column of its own, and each time one row (docs/train.md).");
            }
        }
    }
}
