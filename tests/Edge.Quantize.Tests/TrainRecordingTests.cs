using System.Globalization;
using Edge.Quantize.Learning;
using Edge.Testing;
using MathNet.Numerics.LinearAlgebra;

namespace Edge.Quantize.Tests;

/// <summary>What <c>train</c> does with recordings that are too wide or have a wrong time.</summary>
public sealed class TrainRecordingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(257)]
    [InlineData(2_000)]
    [InlineData(10_000)]
    public void More_than_256_columns_are_refused_before_any_work(int columns)
    {
        string[] train = ["train", Recording(columns, rows: 300), "-o", _folder.File("m.safetensors")];
        CommandLine.Refuses(train, $"{columns} columns to learn from", "at most 256", "--columns");
        Assert.False(File.Exists(_folder.File("m.safetensors")));

        string[] named = [.. Enumerable.Range(0, columns).Select(i => $"c{i}")];
        CommandLine.Refuses([.. train, "--columns", .. named], $"{columns} columns to learn from", "at most 256");
    }

    [Fact]
    public void Columns_that_never_change_do_not_count()
    {
        TrainingRows rows = Load(Recording(300, rows: 300, changing: 3));
        Assert.Equal(["c0", "c1", "c2"], rows.Columns.Select(column => column.Name));
    }

    [Fact]
    public void A_matrix_that_is_not_positive_definite_gets_a_larger_penalty()
    {
        Matrix<double> matrix = Matrix<double>.Build.DenseOfArray(new double[,] { { 1, 1 }, { 1, 1 - 1e-10 } });
        Assert.Throws<ArgumentException>(() => matrix.Cholesky());

        Vector<double> solved = PositiveDefinite.Factorize(matrix).Solve(Vector<double>.Build.DenseOfArray([1, 1]));
        Assert.Equal(1, solved.Sum(), 1e-6);
    }

    [Fact]
    public void A_matrix_that_is_not_finite_is_refused_with_one_sentence() => Assert.Contains(
        "too large to calculate with",
        Assert.Throws<Inference.InputException>(
            () => PositiveDefinite.Factorize(Matrix<double>.Build.Dense(2, 2, double.PositiveInfinity))).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Rows_behind_a_wrong_time_are_learned_from()
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        lines[101] = "2099-01-01T00:00:00Z,0.5";
        lines[301] = "2098-01-01T00:00:00Z,0.5";
        TrainingRows rows = Load(_folder.Write("w.csv", string.Join('\n', lines)));
        Assert.Equal(398, rows.RowCount);
        Assert.Contains(
            "2 rows have a time that lies ahead of the row after them (line 102: 2099-01-01T00:00:00Z): left out", rows.Notes);
    }

    private static TrainingRows Load(string file) => TrainingRows.Load([new() { File = file }], [], null);

    private string Recording(int columns, int rows, int changing = int.MaxValue)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine("time," + string.Join(',', Enumerable.Range(0, columns).Select(i => $"c{i}")));
        for (int row = 0; row < rows; row++)
        {
            text.Write($"{DateTime.UnixEpoch.AddHours(row):s}Z");
            for (int i = 0; i < columns; i++)
            {
                text.Write(i < changing ? string.Create(CultureInfo.InvariantCulture, $",{Math.Sin((row / 3.0) + i):0.###}") : ",7");
            }

            text.WriteLine();
        }

        return _folder.Write("r.csv", text.ToString());
    }
}
