using Edge.Benchmarks;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>An export that does not come to its end: what was there stays, and nothing half is left.</summary>
public sealed class ExportTests : IDisposable
{
    private const int Rows = 21_600;
    private const string Older = "an older file\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SmallDiskFact]
    public async Task A_disk_that_gets_full_is_one_sentence()
    {
        string config = Config();
        using var disk = new SmallDisk(1);
        foreach (string ending in new[] { "csv", "parquet" })
        {
            string target = Path.Combine(disk.Path, $"x.{ending}");
            await File.WriteAllTextAsync(target, Older);
            string others = DiskTests.FillUp(Path.Combine(disk.Path, "others"), leftBytes: 64 << 10);
            using RuntimeProcess export = RuntimeProcess.Start("export", "--config", config, "--output", target);
            Assert.Equal(1, await export.ExitAsync());
            Assert.Equal(
                $"'{target}' cannot be written: its disk is full. Make room there, or name a file on another disk.",
                Assert.Single(export.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
            Assert.Equal(Older, await File.ReadAllTextAsync(target));
            File.Delete(target);
            File.Delete(others);
            Assert.Empty(Directory.GetFiles(disk.Path));
        }
    }

    // Writes are held up, so that there is time to stop it.
    [SlowDiskTheory]
    [InlineData("csv")]
    [InlineData("parquet")]
    public async Task One_that_is_stopped_or_killed_leaves_the_older_file(string ending)
    {
        string config = Config();
        string target = _folder.Write($"x.{ending}", Older);
        using (RuntimeProcess stopped = Slow("stopped", config, target))
        {
            await Eventually.Async(() => File.Exists(target + ".partial"), "it writes");
            stopped.Terminate();
            Assert.Equal(1, await stopped.ExitAsync());
            Assert.Contains($"The export was stopped. '{target}' is as it was before.", stopped.Error, StringComparison.Ordinal);
        }

        Assert.False(File.Exists(target + ".partial"));
        using (RuntimeProcess killed = Slow("killed", config, target))
        {
            await Eventually.Async(() => File.Exists(target + ".partial"), "it writes");
            killed.Kill();
            await killed.ExitAsync();
        }

        Assert.Equal(Older, await File.ReadAllTextAsync(target));

        // The next one takes no notice of what the killed one has left.
        using RuntimeProcess export = RuntimeProcess.Start("export", "--config", config, "--output", target);
        Assert.Equal(0, await export.ExitAsync());
        Assert.Equal($"{Rows} rows of climate -> {target}", export.Output.Trim());
        Assert.False(File.Exists(target + ".partial"));
        Assert.NotEqual(Older, await File.ReadAllTextAsync(target));
    }

    private RuntimeProcess Slow(string log, string config, string target) => RuntimeProcess.StartWithSlowDisk(
        "pwrite64", "3+1", TimeSpan.FromMilliseconds(300), _folder.File(log), "export", "--config", config, "--output", target);

    private string Config()
    {
        StoredYear.Write(_folder.File("state"), "climate", new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc), Rows);
        return _folder.Write("edge.yaml", """
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: 1 }
            streams:
              - { name: climate, model: demo, source: { simulated: {} } }
            """);
    }
}
