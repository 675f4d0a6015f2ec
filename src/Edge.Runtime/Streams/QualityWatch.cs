using Edge.Runtime.Sensors;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Streams;

/// <summary>Says in the log when a channel goes bad and when it is well again: once each, not every tick.</summary>
internal sealed class QualityWatch(IReadOnlyList<string> columns, ILogger log)
{
    private readonly bool[] _isBad = new bool[columns.Count];

    internal void Save(BinaryWriter to)
    {
        foreach (bool isBad in _isBad)
        {
            to.Write(isBad);
        }
    }

    internal void Load(BinaryReader from)
    {
        for (int i = 0; i < _isBad.Length; i++)
        {
            _isBad[i] = from.ReadBoolean();
        }
    }

    /// <summary>Looks at a tick.</summary>
    /// <returns>Whether some channel went bad or got well.</returns>
    internal bool Observe(string stream, long seq, Reading reading)
    {
        bool changed = false;
        for (int i = 0; i < _isBad.Length; i++)
        {
            bool isBad = reading.Quality[i] != Quality.Good;
            if (isBad != _isBad[i])
            {
                _isBad[i] = isBad;
                changed = true;
                if (isBad)
                {
                    string what = reading.Quality[i] == Quality.Missing ? "has no value" : "has a value that is not a finite number";
                    log.LogWarning("{Stream}: row {Seq}: channel '{Channel}' {What}; its last good value is held for a while, then the stream waits", stream, seq, columns[i], what);
                }
                else
                {
                    log.LogInformation("{Stream}: row {Seq}: channel '{Channel}' is back", stream, seq, columns[i]);
                }
            }
        }

        return changed;
    }
}
