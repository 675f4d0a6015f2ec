using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Sensors;
using Edge.Streams;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Commands;

/// <summary><c>export</c>: writes the stored rows of a stream to a CSV or Parquet file, while the service runs or after it.</summary>
internal static class ExportCommand
{
    internal static Command Create(TextWriter output)
    {
        Option<string> config = RunCommand.ConfigOption();
        var target = new Option<string>("--output")
        {
            Description = "The file to write: a column of times (UTC), then the channels. Parquet if its name ends in .parquet, else CSV. "
                + "A file of that name is replaced.",
            Required = true,
        };
        var stream = new Option<string?>("--stream") { Description = "Name of the stream. Default: the first one." };
        var from = new Option<string?>("--from")
        {
            Description = "First time, such as 2026-05-01 or 2026-05-01T06:00:00Z (UTC). Default: the oldest row.",
        };
        var to = new Option<string?>("--to") { Description = "Time before which rows are written. Default: the newest row." };
        var labels = new Option<string?>("--labels")
        {
            Description = "A JSON file to write: the labels as [[begin, end], ...], as 'score --labels' reads them.",
        };
        var faults = new Option<bool>("--faults")
        {
            Description = "Add a column 'fault', 1 in rows with a label: 'edge-quantize train' learns nothing from them.",
        };
        var anomaliesFrom = new Option<string?>("--anomalies-from")
        {
            Description = "With --faults: rows of anomalies that opened from this time on are faults, too, unless they are more than a "
                + "twentieth. Default: none.",
        };
        var command = new Command("export", "Writes the stored rows of a stream to a CSV or Parquet file. The service may run.")
        {
            config,
            target,
            stream,
            from,
            to,
            labels,
            faults,
            anomaliesFrom,
        };
        command.SetAction(async (parsed, _) =>
        {
            EdgeConfig edge = ConfigFile.Load(parsed.GetRequiredValue(config));
            string folder = edge.StateFolder
                ?? throw new InputException(
                    $"'{parsed.GetRequiredValue(config)}' has no 'state', so no rows are stored. Add 'state' with the folder for them.");
            DateTime begin = ReadTime(parsed.GetValue(from), "--from") ?? DateTime.MinValue;
            DateTime end = ReadTime(parsed.GetValue(to), "--to") ?? DateTime.MaxValue;
            string name = RecordCommand.Choose(edge, parsed.GetValue(stream)).Name;
            if (end <= begin)
            {
                throw new InputException("--to must be later than --from.");
            }

            try
            {
                var history = new History(folder);
                string path = parsed.GetRequiredValue(target);
                DateTime anomalies = ReadTime(parsed.GetValue(anomaliesFrom), "--anomalies-from") ?? DateTime.MaxValue;
                using var stop = new StopSignal();
                FaultSpans? spans = parsed.GetValue(faults) ? Faults(history, name, begin, end, anomalies) : null;
                long rows = await WriteRowsAsync(history, name, begin, end, path, spans, stop.Token).ConfigureAwait(false);
                string stored = rows == 0 ? $": {Stored(history, name)}" : "";
                await output.WriteLineAsync($"{Quantity.Of(rows, "row")} of {name} -> {path}{stored}").ConfigureAwait(false);
                if (parsed.GetValue(labels) is { } labelsPath)
                {
                    int count = WriteLabels(history, name, begin, end, labelsPath);
                    await output.WriteLineAsync($"{Quantity.Of(count, "label")} -> {labelsPath}").ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is SqliteException or InvalidDataException)
            {
                throw History.Unreadable(folder, e);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>A time in ISO 8601; one without an offset is UTC.</summary>
    /// <exception cref="InputException">It is none.</exception>
    internal static DateTime? ReadTime(string? text, string option) => text is null ? null
        : Timestamp.TryParseIso(text, out DateTime time, out TimeSpan? offset)
            ? DateTime.SpecifyKind(time - (offset ?? TimeSpan.Zero), DateTimeKind.Utc)
            : throw new InputException($"{option} is '{text}'. Write a time such as 2026-05-01 or 2026-05-01T06:00:00Z.");

    private static FaultSpans Faults(History history, string stream, DateTime from, DateTime to, DateTime anomaliesFrom)
    {
        (DateTime First, DateTime Last) rows = (DateTime.MaxValue, DateTime.MinValue);
        foreach (HistoryRow row in history.Rows(stream, from, to))
        {
            rows = (rows.First < row.Time ? rows.First : row.Time, rows.Last > row.Time ? rows.Last : row.Time);
        }

        return FaultSpans.Of(
            history.Labels(stream, DateTime.MinValue, DateTime.MaxValue),
            history.Events(stream, anomaliesFrom, DateTime.MaxValue, most: int.MaxValue),
            rows.First,
            rows.Last);
    }

    // What tells a person who wrote no row which time to ask for.
    private static string Stored(History history, string stream)
    {
        DateTime? first = null;
        DateTime last = default;
        foreach (HistoryRow row in history.Rows(stream, DateTime.MinValue, DateTime.MaxValue))
        {
            first ??= row.Time;
            last = row.Time;
        }

        return first is null ? "none is stored" : string.Create(
            CultureInfo.InvariantCulture, $"those stored are of {first:yyyy-MM-ddTHH:mm:ssZ} to {last:yyyy-MM-ddTHH:mm:ssZ}");
    }

    private static async Task<long> WriteRowsAsync(
        History history, string stream, DateTime from, DateTime to, string path, FaultSpans? faults, CancellationToken stop)
    {
        IReadOnlyList<string> columns = history.Columns(stream);
        if (columns.Count == 0)
        {
            IReadOnlyList<string> stored = history.Streams();
            throw new InputException(
                $"No rows of stream '{stream}' are stored. "
                    + (stored.Count == 0 ? "Nor are rows of any other stream." : $"There are rows of: {string.Join(", ", stored)}."));
        }

        // The file is whole or the old one: rows are written beside it first.
        string partial = path + ".partial";
        try
        {
            RegularFile.Require(path);
            File.Delete(partial);
            string? faultColumn = faults is null ? null : FaultSpans.Column(columns);
            IEnumerable<(Reading, bool)> rows = StoredRows.Fill(history.Rows(stream, from, to), columns.Count)
                .TakeWhile(_ => !stop.IsCancellationRequested)
                .Select(reading => (reading, faults?.Contains(reading.Time) is true));
            long count = ParquetFile.IsNameOf(path)
                ? await WriteParquetAsync(partial, columns, faultColumn, rows).ConfigureAwait(false)
                : WriteCsv(partial, path, columns, faultColumn, rows);
            if (stop.IsCancellationRequested)
            {
                throw new InputException($"The export was stopped. '{path}' is as it was before.");
            }

            DurableFile.Replace(partial, path);
            return count;
        }
        catch (Exception e)
        {
            DurableFile.Discard(partial);
            if (FileFault.Is(e))
            {
                throw FileFault.Unwritable(path, e);
            }

            throw;
        }
    }

    private static long WriteCsv(
        string partial,
        string path,
        IReadOnlyList<string> columns,
        string? faultColumn,
        IEnumerable<(Reading Reading, bool IsFault)> rows)
    {
        using RecordingFile file = RecordingFile.Open(partial, columns, faultColumn, path);
        foreach ((Reading reading, bool isFault) in rows)
        {
            file.Write(reading, isFault);
        }

        return file.Rows;
    }

    private static async Task<long> WriteParquetAsync(
        string path, IReadOnlyList<string> columns, string? faultColumn, IEnumerable<(Reading Reading, bool IsFault)> rows)
    {
        var file = new FileStream(path, FileMode.Create, FileAccess.Write);
        await using (file.ConfigureAwait(false))
        {
            return await ParquetFile.WriteAsync(file, columns, faultColumn, rows).ConfigureAwait(false);
        }
    }

    private static int WriteLabels(History history, string stream, DateTime from, DateTime to, string path)
    {
        IReadOnlyList<HistoryLabel> labels = history.Labels(stream, from, to);
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartArray();
            foreach (HistoryLabel label in labels)
            {
                json.WriteStartArray();
                json.WriteStringValue(label.From.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
                json.WriteStringValue(label.To.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
                json.WriteEndArray();
            }

            json.WriteEndArray();
        }

        try
        {
            RegularFile.Require(path);
        }
        catch (IOException e)
        {
            throw FileFault.Unwritable(path, e);
        }

        DurableFile.Write(path, bytes.ToArray());
        return labels.Count;
    }
}
