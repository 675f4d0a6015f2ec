using Edge.Inference;
using Edge.Runtime.Commands;
using Edge.Streams;
using Edge.Testing;
using Parquet;

namespace Edge.Runtime.Tests;

/// <summary>Ticks as Parquet, read back with the library.</summary>
public sealed class ParquetFileTests : IDisposable
{
    private static readonly DateTime Start = new(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // A name with a dot or a slash is no path into a structure.
    [Fact]
    public async Task Rows_of_several_groups_come_back_as_they_were()
    {
        string[] channels = ["oil.degC", "a/b", "Öl"];
        int count = ParquetFile.GroupRows(channels.Length + 2) + 5;
        Assert.Equal(count, await WriteAsync(channels, "fault", Rows(channels.Length, count)));
        await using ParquetReader reader = await ParquetReader.CreateAsync(File.OpenRead(_folder.File("x.parquet")));
        Assert.Equal(["time", .. channels, "fault"], reader.Schema.DataFields.Select(field => field.Name));
        Assert.Equal(2, reader.RowGroupCount);
        var times = new List<DateTime>();
        var values = new List<double?>[] { [], [], [] };
        var faults = new List<bool>();
        for (int group = 0; group < reader.RowGroupCount; group++)
        {
            using ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
            times.AddRange(await ColumnAsync<DateTime>(rows, reader, 0));
            for (int i = 0; i < channels.Length; i++)
            {
                values[i].AddRange(await NullableAsync(rows, reader, 1 + i));
            }

            faults.AddRange(await ColumnAsync<bool>(rows, reader, 1 + channels.Length));
        }

        Assert.Equal(Enumerable.Range(0, count).Select(Time), times);
        Assert.Equal(Enumerable.Range(0, count).Select(row => row % 7 == 0), faults);
        for (int i = 0; i < channels.Length; i++)
        {
            Assert.Equal(Enumerable.Range(0, count).Select(row => Value(row, i)), values[i]);
        }
    }

    // Readers leave a group out whose range does not touch what is asked for.
    [Fact]
    public async Task The_range_that_a_group_states_is_that_of_its_rows()
    {
        await WriteAsync(["v"], null, Rows(1, 100));
        await using ParquetReader reader = await ParquetReader.CreateAsync(File.OpenRead(_folder.File("x.parquet")));
        Parquet.Meta.Statistics times = reader.Metadata!.RowGroups[0].Columns[0].MetaData!.Statistics!;
        Assert.Equal(new DateTimeOffset(Time(0)).ToUnixTimeMilliseconds(), BitConverter.ToInt64(times.MinValue!));
        Assert.Equal(new DateTimeOffset(Time(99)).ToUnixTimeMilliseconds(), BitConverter.ToInt64(times.MaxValue!));
        Parquet.Meta.Statistics values = reader.Metadata.RowGroups[0].Columns[1].MetaData!.Statistics!;
        Assert.Equal(Enumerable.Range(0, 100).Min(row => Value(row, 0)), BitConverter.ToDouble(values.MinValue!));
        Assert.Equal(Enumerable.Range(0, 100).Max(row => Value(row, 0)), BitConverter.ToDouble(values.MaxValue!));
        Assert.Equal(Enumerable.Range(0, 100).Count(row => Value(row, 0) is null), values.NullCount);
    }

    [Fact]
    public async Task No_rows_are_a_file_with_columns()
    {
        Assert.Equal(0, await WriteAsync(["v"], null, []));
        await using ParquetReader reader = await ParquetReader.CreateAsync(File.OpenRead(_folder.File("x.parquet")));
        Assert.Equal(["time", "v"], reader.Schema.DataFields.Select(field => field.Name));
        Assert.Equal(0, reader.Metadata!.NumRows);
    }

    [Fact]
    public async Task A_channel_named_as_the_times_is_refused() => Assert.Contains(
        "a channel has that name",
        (await Assert.ThrowsAsync<InputException>(() => WriteAsync(["time"], null, []))).Message,
        StringComparison.Ordinal);

    // What is in memory at a time: a year of rows takes what an hour does, of one channel or of 256.
    [Theory]
    [InlineData(2, 65_536)]
    [InlineData(8, 65_536)]
    [InlineData(257, 2_040)]
    [InlineData(1_000_000, 1)]
    public void A_group_has_so_many_rows(int columns, int rows) => Assert.Equal(rows, ParquetFile.GroupRows(columns));

    private static DateTime Time(int row) => Start.AddMilliseconds(250.0 * row);

    private static double? Value(int row, int channel) => (row + channel) % 5 == 0 ? null : Math.Sin(row) + channel;

    private static IEnumerable<(Reading, bool)> Rows(int channels, int count)
    {
        var reading = new Reading(channels);
        for (int row = 0; row < count; row++)
        {
            reading.Time = Time(row);
            for (int i = 0; i < channels; i++)
            {
                reading.Quality[i] = Value(row, i) is null ? Quality.Missing : Quality.Good;
                reading.Values[i] = Value(row, i) ?? 0;
            }

            yield return (reading, row % 7 == 0);
        }
    }

    private static async Task<T[]> ColumnAsync<T>(ParquetRowGroupReader rows, ParquetReader reader, int column)
        where T : struct
    {
        var values = new T[rows.RowCount];
        await rows.ReadAsync<T>(reader.Schema.DataFields[column], values);
        return values;
    }

    private static async Task<double?[]> NullableAsync(ParquetRowGroupReader rows, ParquetReader reader, int column)
    {
        var values = new double?[rows.RowCount];
        await rows.ReadAsync<double>(reader.Schema.DataFields[column], values);
        return values;
    }

    private async Task<long> WriteAsync(string[] channels, string? faults, IEnumerable<(Reading, bool)> rows)
    {
        await using FileStream file = File.Create(_folder.File("x.parquet"));
        return await ParquetFile.WriteAsync(file, channels, faults, rows);
    }
}
