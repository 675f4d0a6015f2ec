using System.Globalization;
using System.Text.RegularExpressions;
using Edge.Cluster.Tests.Servers;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>Who holds what and how far it lags behind, as <c>status</c> and Prometheus are told.</summary>
[Collection(ServersCollection.Name)]
public sealed partial class StatusTests(ServersFixture fixture)
{
    private static readonly HttpClient Client = new() { Timeout = Eventually.Bound };

    [ClusterFact]
    public async Task Status_shows_owners_streams_rates_waiting_rows_and_the_age_of_the_newest_row()
    {
        await using ClusterRig rig = await ClusterRig.StartAsync(fixture.Servers, "status", partitions: 2);
        await using var sender = new RowSender(fixture.Servers.Broker());
        WorkerProcess worker = rig.StartWorker();
        await sender.SendAsync([.. RowSender.Round("status", "d", 20, 0), .. RowSender.Round("status", "d", 20, 1)]);
        await Eventually.Async(async () => await rig.CountAsync("SELECT sum(row_count) FROM edge_partition") == 40, "all rows are used");
        string[] lines = await StatusAsync(
            rig, status => status[^1].StartsWith("1 worker, ", StringComparison.Ordinal) && status[^1].Contains(" 0 rows waiting,"));
        Assert.Equal(
            ["partition", "worker", "epoch", "streams", "rows", "rows/s", "waiting", "row", "age", "unpublished"], Words(lines[0]));
        Assert.Equal(1 + 2 + 1, lines.Length);
        string[][] partitions = [.. lines[1..^1].Select(Words)];
        Assert.All(partitions, fields => Assert.Equal(worker.Name, fields[1]));
        Assert.Equal(20, partitions.Sum(fields => int.Parse(fields[3], CultureInfo.InvariantCulture)));
        Assert.Equal(40, partitions.Sum(fields => int.Parse(fields[4], CultureInfo.InvariantCulture)));

        // The rows are of the beginning of a year; ages beyond two days are in days.
        double days = (DateTime.UtcNow - Rows.Of(0, 1).Time).TotalDays;
        Assert.All(partitions, fields => Assert.InRange(Days(fields[7]), days - 0.2, days + 0.2));
        Assert.StartsWith("1 worker, 20 streams, 40 rows, 0 rows/s, 0 rows waiting, newest row ", lines[^1], StringComparison.Ordinal);
        Assert.InRange(Days(Words(lines[^1])[13]), days - 0.2, days + 0.2);

        // Without a worker rows wait, and no worker owns their partitions.
        worker.Kill();
        await sender.SendAsync(RowSender.Round("status", "d", 30, 2));
        lines = await StatusAsync(rig, status => status[^1].Contains(" 30 rows waiting,", StringComparison.Ordinal));
        Assert.StartsWith("0 workers, 20 streams, 40 rows,", lines[^1], StringComparison.Ordinal);
        Assert.All(lines[1..^1], line => Assert.Equal("-", Words(line)[1]));
        Assert.Equal(30, lines[1..^1].Sum(line => int.Parse(Words(line)[6], CultureInfo.InvariantCulture)));
    }

    [ClusterFact]
    public async Task Prometheus_gets_the_lag_of_each_partition_and_every_metric_is_documented()
    {
        int port = ServerPrograms.FreePort();
        await using ClusterRig rig = await ClusterRig.StartAsync(
            fixture.Servers, "lag", partitions: 1, more: $"telemetry: {{ port: {port} }}");
        await using var sender = new RowSender(fixture.Servers.Broker());
        rig.StartWorker();
        await sender.SendAsync(RowSender.Round("lag", "d", 10, 0));

        // Rows are counted a moment before the time that their commit took.
        Dictionary<string, double> series = await MetricsAsync(
            port,
            now => now.GetValueOrDefault("edge_cluster_rows_total{}") == 10
                && now.ContainsKey("edge_cluster_batch_commit_seconds_count{}"));
        Assert.Equal(1, series["edge_cluster_partitions{}"]);
        Assert.Equal(10, series["edge_cluster_streams{}"]);
        Assert.Equal(series["edge_cluster_batch_commit_seconds_count{}"], series["edge_cluster_batch_commit_seconds_bucket{le=\"+Inf\"}"]);
        double age = (DateTime.UtcNow - Rows.Of(0, 0).Time).TotalSeconds;
        Assert.InRange(series["edge_cluster_row_age_seconds{partition=\"0\"}"], age - 600, age + 600);

        // A commit that waits for a lock: what the worker has not fetched (500 at most) is counted a few seconds later, and then is gone.
        await using (var connection = new Npgsql.NpgsqlConnection(rig.DatabaseText))
        {
            await connection.OpenAsync();
            await using Npgsql.NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
            await using var hold = new Npgsql.NpgsqlCommand("SELECT id FROM edge_partition FOR UPDATE", connection, transaction);
            await hold.ExecuteNonQueryAsync();
            await sender.SendAsync([.. Enumerable.Range(1, 60).SelectMany(index => RowSender.Round("lag", "d", 10, index))]);
            await MetricsAsync(port, now => now.GetValueOrDefault("edge_cluster_waiting{partition=\"0\"}") == 100);
        }

        series = await MetricsAsync(
            port,
            now => now.GetValueOrDefault("edge_cluster_waiting{partition=\"0\"}", 1) == 0 && now["edge_cluster_rows_total{}"] == 610);
        string documented = await File.ReadAllTextAsync(RepositoryFile.Path("docs/cluster.md"));
        string[] names =
        [
            .. series.Keys.Select(name => HistogramPattern().Replace(name.Split('{')[0], "")).Distinct(),
        ];
        Assert.All(names, name => Assert.Contains($"`{name}`", documented, StringComparison.Ordinal));
    }

    private static async Task<string[]> StatusAsync(ClusterRig rig, Func<string[], bool> isAsExpected)
    {
        string[] lines = [];
        await Eventually.Async(
            async () =>
            {
                (int code, string output, string error) = await rig.RunAsync("status");
                Assert.True(code == 0, error);
                lines = output.TrimEnd().Split('\n');
                return isAsExpected(lines);
            },
            "status is as expected");
        return lines;
    }

    // Lines as Prometheus parses them, no series twice.
    private static async Task<Dictionary<string, double>> MetricsAsync(int port, Func<Dictionary<string, double>, bool> isAsExpected)
    {
        Dictionary<string, double> series = [];
        string text = "";
        try
        {
            await Eventually.Async(IsAsExpectedAsync, "the metrics are as expected");
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{text}", e);
        }

        return series;

        async Task<bool> IsAsExpectedAsync()
        {
            try
            {
                text = await Client.GetStringAsync($"http://127.0.0.1:{port}/metrics");
            }
            catch (HttpRequestException)
            {
                // Not up yet.
                return false;
            }

            series = [];
            foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#'))
            {
                Match match = SeriesPattern().Match(line);
                Assert.True(match.Success, line);
                series.Add(match.Groups[1].Value, double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
            }

            return isAsExpected(series);
        }
    }

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static double Days(string age) => double.Parse(age.TrimEnd('d'), CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^([a-z_]+\{(?:[a-z_]+=""[^""]*""(?:,[a-z_]+=""[^""]*"")*)?\}) (NaN|[-+0-9.E]+)$")]
    private static partial Regex SeriesPattern();

    [GeneratedRegex("_(?:bucket|sum|count)$")]
    private static partial Regex HistogramPattern();
}
