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
    internal RecordingTimes(string path, RecordingShape shape)
    {
        (_path, _shape) = (path, shape);
        if (_shape.TimesAt.Length == 0)
        {
            throw new InputException(
                $"Readings '{path}' have no column of times, and the model reads a calendar. Add one, ISO 8601, named 'time'.");
        }
    }

    /// <summary>The time of a row, UTC.</summary>
    /// <exception cref="InputException">It cannot be read.</exception>
    internal DateTime Of(CsvRows row) => _shape.Times.Read(_shape.TimeText(row), _last, out DateTime time) is { } problem
        ? throw new InputException($"Readings '{_path}', line {row.Line}: {problem}.")
        : _last = time;
}
