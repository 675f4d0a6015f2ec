using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;
using Edge.Inference;
using Edge.Sensors;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Commands;

/// <summary>A CSV file of scores, one line per tick: its time, the score, and the part of each cause.</summary>
internal sealed class ScoresFile : IDisposable
{
    private static readonly (string Column, AnomalyCause Cause)[] Parts =
    [
        ("residual", AnomalyCause.Residual),
        ("pattern", AnomalyCause.Pattern),
        ("relation", AnomalyCause.Correlation),
        ("level", AnomalyCause.Level),
        ("sensor", AnomalyCause.Sensor),
        ("noise", AnomalyCause.Noise),
    ];

    private readonly StreamWriter _text;
    private readonly CsvWriter _csv;

    private ScoresFile(string path)
    {
        _text = new StreamWriter(OutputFile.Create(path, "--scores"));
        _csv = new CsvWriter(_text, new CsvConfiguration(CultureInfo.InvariantCulture) { NewLine = "\n" });
    }

    /// <summary>Creates the file, or replaces it.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    internal static ScoresFile Open(string path)
    {
        var file = new ScoresFile(path);
        file._csv.WriteField("time");
        file._csv.WriteField("score");
        foreach ((string column, AnomalyCause _) in Parts)
        {
            file._csv.WriteField(column);
        }

        file._csv.NextRecord();
        return file;
    }

    /// <summary>Writes the last tick of a stream.</summary>
    /// <exception cref="InputException">The disk does not accept the line.</exception>
    internal void Write(SensorStream stream)
    {
        _csv.WriteField(stream.LastTime.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
        WriteField(stream.AnomalyScore);
        foreach ((string _, AnomalyCause cause) in Parts)
        {
            WriteField(stream.ScoreOf(cause));
        }

        _csv.NextRecord();
    }

    /// <summary>Writes what is still in memory.</summary>
    /// <exception cref="InputException">The disk does not accept it.</exception>
    internal void Flush()
    {
        _csv.Flush();
        _text.Flush();
    }

    public void Dispose()
    {
        _csv.Dispose();
        _text.Dispose();
    }

    // Seven significant digits, as in the payloads.
    private void WriteField(double value) => _csv.WriteField(value.ToString("G7", CultureInfo.InvariantCulture));
}
