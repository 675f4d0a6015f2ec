using CsvHelper;
using Edge.Inference;
using Edge.Sensors.Replay;

namespace Edge.Quantize.Calibration;

/// <summary>The times of a recording, for a model that reads a calendar.</summary>
internal sealed class RecordingTimes
{
    private readonly string _path;
    private readonly RecordingShape _shape;
    private DateTime _last;

    /// <exception cref="InputException">The recording has no column of times.</exception>
    internal RecordingTimes(string path, IReadOnlyList<string> columns)
    {
        (_path, _shape) = (path, RecordingShape.Of(new ReplayOptions { File = path }, columns));
        if (_shape.TimesAt.Length == 0)
        {
            throw new InputException(
                $"Readings '{path}' have no column of times, and the model reads a calendar. Add one, ISO 8601, named 'time'.");
        }
    }

    /// <summary>The time of the row that was read last, UTC.</summary>
    /// <exception cref="InputException">It cannot be read.</exception>
    internal DateTime Of(CsvReader row)
    {
        string text = string.Join(' ', _shape.TimesAt.Select(at => row.GetField(at)?.Trim() ?? "")).Trim();
        if (_shape.Times.Read(text, _last, out DateTime time) is { } problem)
        {
            throw new InputException($"Readings '{_path}', line {row.Parser.RawRow}: {problem}.");
        }

        return _last = time;
    }
}
