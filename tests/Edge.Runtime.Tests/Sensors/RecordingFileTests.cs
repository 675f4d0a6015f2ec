using Edge.Inference;
using Edge.Runtime.Commands;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>A recording can be broken off and continued.</summary>
public sealed class RecordingFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Reading _row = new(2) { Time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc) };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_recording_goes_on_where_it_stopped_with_one_header()
    {
        Record(["a", "b"], 2);
        Record(["a", "b"], 1);
        Assert.Equal(
            ["time,a,b", "2026-01-01T00:00:00.000Z,0,0", "2026-01-01T00:00:00.000Z,1,0", "2026-01-01T00:00:00.000Z,0,0"],
            File.ReadAllLines(_folder.File("x.csv")));
    }

    [Fact]
    public void A_line_that_a_power_cut_left_unfinished_is_cut_off()
    {
        Record(["a", "b"], 2);
        File.AppendAllText(_folder.File("x.csv"), "2026-01-01T00:0");
        Record(["a", "b"], 1);
        Assert.Equal(4, File.ReadAllLines(_folder.File("x.csv")).Length);
        Assert.DoesNotContain("00:02", File.ReadAllText(_folder.File("x.csv")), StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_not_measured_is_an_empty_cell()
    {
        _row.Quality[0] = Quality.Held;
        _row.Quality[1] = Quality.Stuck;
        Record(["a", "b"], 1);
        Assert.Equal("2026-01-01T00:00:00.000Z,,0", File.ReadAllLines(_folder.File("x.csv"))[1]);
    }

    [Fact]
    public void A_file_of_other_columns_is_not_touched()
    {
        _folder.Write("x.csv", "time,c\n1,2\n");
        var e = Assert.Throws<InputException>(() => Record(["a", "b"], 1));
        Assert.Contains(
            "exists with the columns time, c. This stream has time, a, b. Choose another file",
            e.Message,
            StringComparison.Ordinal);
        Assert.Equal("time,c\n1,2\n", File.ReadAllText(_folder.File("x.csv")));
    }

    private void Record(string[] columns, int rows)
    {
        using RecordingFile file = RecordingFile.Open(_folder.File("x.csv"), columns);
        for (int i = 0; i < rows; i++)
        {
            _row.Values[0] = i;
            file.Write(_row);
        }

        Assert.Equal(rows, file.Rows);
    }
}
