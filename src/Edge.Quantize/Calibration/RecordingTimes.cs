using Edge.Inference;
using Edge.Sensors.Replay;

namespace Edge.Quantize.Calibration;

/// <summary>
/// The times of a recording: a model that reads a calendar needs them, and the detector learns the course of the day from them.
/// </summary>
internal sealed class RecordingTimes
{
    private readonly string _path;
    private readonly RecordingShape _shape;
    private readonly bool _isNeeded;
    private DateTime _last;

    /// <param name="path">The recording.</param>
    /// <param name="shape">Where and how it writes its times.</param>
    /// <param name="isNeeded">Whether the model reads a calendar.</param>
    /// <exception cref="InputException">The recording has no column of times.</exception>
    internal RecordingTimes(string path, RecordingShape shape, bool isNeeded)
    {
        (_path, _shape, _isNeeded) = (path, shape, isNeeded);
        if (isNeeded && _shape.TimesAt.Length == 0)
        {
            throw new InputException(
                $"Readings '{path}' have no column of times, and the model reads a calendar. Add one, ISO 8601, named 'time'.");
        }
    }

    /// <summary>Why a time could not be read, in a sentence: the first such; null if all could.</summary>
    internal string? Problem { get; private set; }

    /// <summary>The time of a row, UTC; null if there is none.</summary>
    /// <exception cref="InputException">It is needed and cannot be read.</exception>
    internal DateTime? Of(CsvRows row)
    {
        if (_shape.TimesAt.Length == 0)
        {
            return null;
        }

        string? problem = _shape.ReadTime(_shape.TimeText(row), _last, out DateTime time);
        if (problem is null)
        {
            return _last = time;
        }

        Problem ??= $"Readings '{_path}', line {row.Line}: {problem}.";
        return _isNeeded ? throw new InputException(Problem) : null;
    }
}
