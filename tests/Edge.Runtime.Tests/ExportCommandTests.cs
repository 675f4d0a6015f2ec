using System.Globalization;
using Edge.Inference;
using Edge.Runtime.Commands;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Parquet;
using Parquet.Schema;

namespace Edge.Runtime.Tests;

/// <summary>Rows out of a state folder, as a shell sees it.</summary>
public sealed class ExportCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // The rows of a real service on a recording with faults, and the same rows again through replay.
    [Fact]
    public async Task What_is_exported_gives_the_forecasts_of_the_run_that_stored_it()
    {
        string data = Record(rows: 700);
        string config = Config(data);
        await RunServiceAsync(config);
        string csv = _folder.File("export.csv");
        Assert.Equal((0, $"700 rows of climate -> {csv}\n"), await CommandAsync("export", "--config", config, "--output", csv));
        string[] written = File.ReadAllLines(data);
        string[] exported = File.ReadAllLines(csv);
        Assert.Equal(written[0], exported[0]);
        Assert.Equal(written.Skip(1).Select(Cells), exported.Skip(1).Select(Cells));
        Assert.Equal(0, (await CommandAsync("replay", "--model", "demo", "--data", data, "--output", _folder.File("a.jsonl"))).Code);
        Assert.Equal(0, (await CommandAsync("replay", "--model", "demo", "--data", csv, "--output", _folder.File("b.jsonl"))).Code);
        Assert.Equal(File.ReadAllLines(_folder.File("a.jsonl")), File.ReadAllLines(_folder.File("b.jsonl")));
    }

    [Fact]
    public async Task Parquet_has_the_rows_that_csv_has()
    {
        string config = Config(Record(rows: 300));
        await RunServiceAsync(config);
        string csv = _folder.File("x.csv");
        string parquet = _folder.Write("x.Parquet", "an older file");
        Assert.Equal((0, $"300 rows of climate -> {csv}\n"), await CommandAsync("export", "--config", config, "--faults", "--output", csv));
        Assert.Equal(
            (0, $"300 rows of climate -> {parquet}\n"), await CommandAsync("export", "--config", config, "--faults", "--output", parquet));
        Assert.DoesNotContain(Directory.GetFiles(_folder.Path), file => file.EndsWith(".partial", StringComparison.Ordinal));
        await using ParquetReader reader = await ParquetReader.CreateAsync(parquet);
        string[] lines = File.ReadAllLines(csv);
        Assert.Equal(lines[0], string.Join(',', reader.Schema.DataFields.Select(field => field.Name)));
        using ParquetRowGroupReader rows = reader.OpenRowGroupReader(0);
        var columns = new List<string[]>();
        foreach (DataField field in reader.Schema.DataFields)
        {
            columns.Add(field.Name switch
            {
                "time" => [.. (await ReadAsync<DateTime>(rows, field)).Select(each => $"{each:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}")],
                "fault" => [.. (await ReadAsync<bool>(rows, field)).Select(each => each ? "1" : "0")],
                _ => [.. (await ReadNullableAsync(rows, field)).Select(each => each?.ToString("G9", CultureInfo.InvariantCulture) ?? "")],
            });
        }

        Assert.Equal(
            lines.Skip(1), Enumerable.Range(0, 300).Select(row => string.Join(',', columns.Select(column => column[row]))));

        // A span without rows is a file without rows, and a sentence.
        (int code, string said) = await CommandAsync("export", "--config", config, "--from", "2030-01-01", "--output", parquet);
        Assert.Equal(0, code);
        Assert.StartsWith($"0 rows of climate -> {parquet}: those stored are of 20", said, StringComparison.Ordinal);
        await using ParquetReader empty = await ParquetReader.CreateAsync(parquet);
        Assert.Equal(0, empty.Metadata!.NumRows);
    }

    [Fact]
    public async Task A_part_and_its_labels_are_exported_while_the_store_is_in_use()
    {
        string config = Config(Record(rows: 300));
        await RunServiceAsync(config);
        using StateStore store = StateStore.Open(
            _folder.File("state"), TimeSpan.FromSeconds(5), TimeSpan.FromDays(7), TimeProvider.System, "boot", NullLogger.Instance);
        DateTime begin = Time(0);
        store.History.AddLabel("climate", begin.AddSeconds(10), begin.AddSeconds(20), "a fault");
        string labels = _folder.File("labels.json");
        string csv = _folder.Write("export.csv", "an older file\n");
        (int code, string output) = await CommandAsync(
            "export",
            "--config",
            config,
            "--output",
            csv,
            "--from",
            "2026-01-01T00:00:10Z",
            "--to",
            "2026-01-01 00:00:30",
            "--labels",
            labels);
        Assert.Equal((0, $"100 rows of climate -> {csv}\n1 label -> {labels}\n"), (code, output));
        Assert.StartsWith("2026-01-01T00:00:10.000Z,", File.ReadAllLines(csv)[1], StringComparison.Ordinal);
        Assert.Contains("\"2026-01-01T00:00:10.000Z\"", await File.ReadAllTextAsync(labels), StringComparison.Ordinal);
        Assert.Equal(0, (await CommandAsync("replay", "--model", "demo", "--data", csv, "--output", _folder.File("x.jsonl"))).Code);
        Assert.Equal(0, (await CommandAsync("score", "--events", _folder.File("x.jsonl"), "--labels", labels)).Code);
    }

    [Fact]
    public async Task Rows_that_were_faults_to_a_person_or_to_the_detector_are_marked_for_training()
    {
        string config = Config(Record(rows: 1000));
        await RunServiceAsync(config);
        using (StateStore store = StateStore.Open(
            _folder.File("state"), TimeSpan.FromSeconds(5), TimeSpan.FromDays(7), TimeProvider.System, "boot", NullLogger.Instance))
        {
            store.History.AddLabel("climate", Time(10), Time(19), "a fault");
            store.History.AddLabel("climate", Time(15), Time(16), "part of it");
            store.Append("climate", Limits(1000), []);
        }

        // A label always counts, an anomaly from the time on that is asked for. Rows 401 to 429 are 20 units off.
        Assert.Equal(Enumerable.Range(10, 10), await FaultsAsync());
        Assert.Equal(Enumerable.Range(10, 10), await FaultsAsync("--anomalies-from", "2026-01-01T01:00:00Z"));
        int[] all = await FaultsAsync("--anomalies-from", "2026-01-01T00:00:00Z");
        Assert.Equal(Enumerable.Range(10, 10), all.Where(row => row < 400));
        Assert.Contains(425, all);
        Assert.DoesNotContain(600, all);

        async Task<int[]> FaultsAsync(params string[] more)
        {
            string csv = _folder.File("faults.csv");
            Assert.Equal(0, (await CommandAsync(["export", "--config", config, "--output", csv, "--faults", .. more])).Code);
            string[] lines = File.ReadAllLines(csv);
            Assert.EndsWith(",co2,fault", lines[0], StringComparison.Ordinal);
            return [.. Enumerable.Range(0, 1000).Where(row => lines[row + 1].EndsWith(",1", StringComparison.Ordinal))];
        }
    }

    [Fact]
    public void An_anomaly_whose_end_was_never_said_does_not_last_for_ever()
    {
        var spans = FaultSpans.Of(
            [],
            [Event(0, "a", "opened"), Event(60, "b", "opened"), Event(70, "b", "accepted"), Event(90, "c", "opened")],
            Time(0),
            At(3_000_000));
        Assert.Equal([30, 60, 100], new[] { 30, 60, 61, 80, 100, (24 * 3600) + 91 }.Where(second => spans.Contains(At(second))));
        spans = FaultSpans.Of(
            [],
            [Event(0, "a", "opened"), Event(50, "limit", "closed") with { Kind = HistoryEventKind.Limit }, Event(60, "a", "silenced")],
            Time(0),
            At(3_000_000));
        Assert.Equal([0, 55], new[] { 0, 55, 61 }.Where(second => spans.Contains(At(second))));

        // What takes a tenth of the time is no fault.
        spans = FaultSpans.Of([], [Event(0, "a", "opened"), Event(60, "a", "closed")], Time(0), At(600));
        Assert.False(spans.Contains(At(30)));
        spans = FaultSpans.Of([new(1, At(10), At(20), "a fault")], [Event(0, "a", "opened"), Event(60, "a", "closed")], Time(0), At(600));
        Assert.Equal([15], new[] { 5, 15, 30 }.Where(second => spans.Contains(At(second))));

        static DateTime At(int second) => Time(0).AddSeconds(second);

        static HistoryEvent Event(int second, string id, string change) =>
            new(second, At(second), id, HistoryEventKind.Anomaly, change, 2, "");
    }

    // SQLite says "disk I/O error": to read it must make the index of the write-ahead log.
    [SmallDiskFact]
    public async Task A_history_on_a_full_disk_is_one_sentence()
    {
        using var disk = new SmallDisk(24);
        string state = Path.Combine(disk.Path, "state");
        string config = Config(Record(rows: 300));
        File.WriteAllText(config, File.ReadAllText(config).Replace("state: state\n", $"state: {state}\n", StringComparison.Ordinal));
        await RunServiceAsync(config);
        using (StateStore store = StateStore.Open(
            state, TimeSpan.FromSeconds(5), TimeSpan.FromDays(7), TimeProvider.System, "boot", NullLogger.Instance))
        {
            store.History.AddLabel("climate", Time(10), Time(20), "a fault");
        }

        string csv = _folder.File("x.csv");
        Assert.True(File.Exists(Path.Combine(state, "history.db")));
        string filler = disk.Fill();
        await RefusesAsync(
            $"The history in '{state}' cannot be read: the disk is full. Make room there.", "--config", config, "--output", csv);
        var error = new StringWriter();
        Assert.Equal(1, await Program.RunAsync(["state", "show", "--config", config], TextWriter.Null, error));
        Assert.Equal($"State folder '{state}' cannot be used: the disk is full. Make room there.\n", error.ToString());
        File.Delete(filler);
        Assert.Equal((0, $"300 rows of climate -> {csv}\n"), await CommandAsync("export", "--config", config, "--output", csv));
    }

    [Fact]
    public async Task Labels_replace_no_device()
    {
        string config = Config(Record(rows: 3));
        await RunServiceAsync(config);
        string fifo = _folder.File("fifo");
        using (var make = System.Diagnostics.Process.Start("mkfifo", [fifo]))
        {
            await make.WaitForExitAsync();
        }

        await RefusesAsync(
            $"'{fifo}' cannot be written: '{fifo}' is a FIFO", "--config", config, "--output", _folder.File("x.csv"), "--labels", fifo);
        Assert.Throws<IOException>(() => RegularFile.Require(fifo));
    }

    [Fact]
    public async Task What_cannot_be_exported_is_one_sentence()
    {
        string config = Config(Record(rows: 3));
        string csv = _folder.File("x.csv");
        await RefusesAsync(
            "No rows of stream 'climate' are stored. Nor are rows of any other stream.", "--config", config, "--output", csv);
        await RunServiceAsync(config);
        await RefusesAsync("--stream is 'other'", "--config", config, "--output", csv, "--stream", "other");
        await RefusesAsync("--from is 'yesterday'", "--config", config, "--output", csv, "--from", "yesterday");
        await RefusesAsync("--to must be later", "--config", config, "--output", csv, "--from", "2026-01-02", "--to", "2026-01-01");
        await RefusesAsync("cannot be written", "--config", config, "--output", "/no/such/folder/x.csv");
        await RefusesAsync("'/no/such/folder' is no folder.", "--config", config, "--output", "/no/such/folder/x.parquet");
        await RefusesAsync($"'{_folder.Path}' is a folder. Name a file in it.", "--config", config, "--output", _folder.Path);
        await RefusesAsync("is a device, not a file", "--config", config, "--output", "/dev/null");
        Assert.False(File.Exists(csv));
        string without = _folder.Write("without.yaml", (await File.ReadAllTextAsync(config)).Replace("state: state\n", ""));
        await RefusesAsync("has no 'state'", "--config", without, "--output", csv);
    }

    private static async Task<T[]> ReadAsync<T>(ParquetRowGroupReader rows, DataField field)
        where T : struct
    {
        var values = new T[rows.RowCount];
        await rows.ReadAsync<T>(field, values);
        return values;
    }

    private static async Task<double?[]> ReadNullableAsync(ParquetRowGroupReader rows, DataField field)
    {
        var values = new double?[rows.RowCount];
        await rows.ReadAsync<double>(field, values);
        return values;
    }

    // Events that come after every anomaly of a stream.
    private static CommittedRows Limits(int count)
    {
        var events = new TickRows([]);
        for (int i = 0; i < count; i++)
        {
            events.Add(new HistoryEvent(1000, Time(1000), $"limit-{i}", HistoryEventKind.Limit, "opened", 0, ""));
        }

        return events.ToCommitted();
    }

    private static DateTime Time(int row) => new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(0.2 * row);

    private static string Cells(string line) => string.Join(
        ',',
        line.Split(',').Select((cell, i) => i == 0 || cell.Length == 0 ? cell : Digits(double.Parse(cell, CultureInfo.InvariantCulture))));

    private static string Digits(double value) => value.ToString("G7", CultureInfo.InvariantCulture);

    private string Record(int rows)
    {
        var plant = new Edge.Sensors.Simulated.Greenhouse(3);
        double[] values = new double[4];
        var random = new Random(4);
        var text = new System.Text.StringBuilder("time,temperature,humidity,light,co2\n");
        for (int row = 0; row < rows; row++)
        {
            plant.Step(values);
            text.Append(CultureInfo.InvariantCulture, $"{Time(row):yyyy-MM-dd'T'HH:mm:ss.fff'Z'}");
            foreach (double value in values)
            {
                double shown = value + (row is > 400 and < 430 ? 20 : 0);
                text.Append(random.Next(50) == 0 ? "," : string.Create(CultureInfo.InvariantCulture, $",{shown:0.##}"));
            }

            text.Append('\n');
        }

        return _folder.Write("data.csv", text.ToString());
    }

    private string Config(string data) => _folder.Write("edge.yaml", $$"""
        device: house
        state: state
        mqtt: { host: 127.0.0.1, port: 1 }
        streams:
          - { name: climate, model: demo, publish: [], source: { replay: { file: {{data}}, speed: max } } }
        """);

    // The broker cannot be reached: the service is stopped once every row is committed.
    private static async Task RunServiceAsync(string config)
    {
        using var stop = new CancellationTokenSource();
        using var service = new EdgeService(ConfigFile.Load(config), TimeProvider.System, NullLogger.Instance);
        Task<bool> running = Task.Run(() => service.RunAsync(stop.Token));
        long rows = File.ReadLines(Path.Combine(Path.GetDirectoryName(config)!, "data.csv")).Count() - 1;
        await Eventually.Async(() => service.Streams[0].Rows == rows, "all rows are read");
        await stop.CancelAsync();
        Assert.True(await running);
    }

    private static async Task<(int Code, string Output)> CommandAsync(params string[] args)
    {
        var output = new StringWriter();
        return (await Program.RunAsync(args, output, TextWriter.Null), output.ToString());
    }

    private static async Task RefusesAsync(string part, params string[] args)
    {
        var error = new StringWriter();
        Assert.Equal(1, await Program.RunAsync(["export", .. args], TextWriter.Null, error));
        Assert.Contains(part, Assert.Single(error.ToString().TrimEnd().Split('\n')), StringComparison.Ordinal);
    }
}
