using Edge.Inference;
using Edge.Streams;
using Parquet;
using Parquet.Schema;

namespace Edge.Runtime.Commands;

/// <summary>
/// Writes ticks as Parquet: a column of times, then a column of doubles per channel, null where no value was measured.
/// </summary>
internal static class ParquetFile
{
    private const string TimeColumn = "time";
    private const int GroupRowsMax = 1 << 16;
    private const int GroupCellsMax = 1 << 19;

    /// <summary>Whether a name says that its file is Parquet.</summary>
    internal static bool IsNameOf(string path) => path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase);

    /// <summary>Rows of a group: what is in memory at a time, 8 MB of cells at most.</summary>
    /// <param name="columns">Columns of the file.</param>
    internal static int GroupRows(int columns) => Math.Max(1, Math.Min(GroupRowsMax, GroupCellsMax / columns));

    /// <summary>Writes a file.</summary>
    /// <param name="file">Where to.</param>
    /// <param name="channels">Names of the channels, none twice.</param>
    /// <param name="faultColumn">Name of a last column that is true where a row is a fault, or null for none.</param>
    /// <param name="rows">The rows, and whether each is a fault. They may all be in the same object.</param>
    /// <returns>Number of the rows.</returns>
    /// <exception cref="InputException">A channel is named as the column of times.</exception>
    /// <exception cref="IOException">The disk does not accept them.</exception>
    internal static async Task<long> WriteAsync(
        Stream file, IReadOnlyList<string> channels, string? faultColumn, IEnumerable<(Reading Reading, bool IsFault)> rows)
    {
        if (channels.Contains(TimeColumn))
        {
            throw new InputException(
                $"Parquet needs the column '{TimeColumn}' for the times, and a channel has that name. Export to a .csv file instead.");
        }

        // Milliseconds, as in CSV. Of times in microseconds Parquet.Net 6.1.0 states a wrong range, by which readers leave groups out.
        var time = new DateTimeDataField(TimeColumn, DateTimeFormat.Timestamp, unit: DateTimeTimeUnit.Millis, isNullable: false);
        DataField[] values = [.. channels.Select(channel => new DataField<double>(channel, nullable: true))];
        DataField[] faults = faultColumn is null ? [] : [new DataField<bool>(faultColumn, nullable: false)];
        DataField[] columns = [time, .. values, .. faults];
        ParquetWriter writer = await ParquetWriter.CreateAsync(
            new ParquetSchema(columns), file, new ParquetOptions { CompressionMethod = CompressionMethod.Zstd }).ConfigureAwait(false);
        long count = 0;
        await using (writer.ConfigureAwait(false))
        {
            var group = new RowGroup(channels.Count, GroupRows(columns.Length));
            foreach ((Reading reading, bool isFault) in rows)
            {
                group.Add(reading, isFault);
                count++;
                if (group.IsFull)
                {
                    await group.WriteAsync(writer, columns).ConfigureAwait(false);
                }
            }

            if (!group.IsEmpty)
            {
                await group.WriteAsync(writer, columns).ConfigureAwait(false);
            }
        }

        return count;
    }

    private sealed class RowGroup(int channels, int rowsMax)
    {
        private readonly DateTime[] _times = new DateTime[rowsMax];
        private readonly double?[][] _values = [.. Enumerable.Range(0, channels).Select(_ => new double?[rowsMax])];
        private readonly bool[] _faults = new bool[rowsMax];
        private int _rows;

        internal bool IsEmpty => _rows == 0;

        internal bool IsFull => _rows == rowsMax;

        internal void Add(Reading reading, bool isFault)
        {
            _times[_rows] = reading.Time;
            _faults[_rows] = isFault;
            for (int i = 0; i < channels; i++)
            {
                _values[i][_rows] = reading.Quality[i].IsMeasured() ? reading.Values[i] : null;
            }

            _rows++;
        }

        internal async Task WriteAsync(ParquetWriter writer, DataField[] columns)
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            await group.WriteAsync<DateTime>(columns[0], _times.AsMemory(0, _rows)).ConfigureAwait(false);
            for (int i = 0; i < channels; i++)
            {
                await group.WriteAsync<double>(columns[1 + i], _values[i].AsMemory(0, _rows)).ConfigureAwait(false);
            }

            if (columns.Length > 1 + channels)
            {
                await group.WriteAsync<bool>(columns[^1], _faults.AsMemory(0, _rows)).ConfigureAwait(false);
            }

            _rows = 0;
        }
    }
}
