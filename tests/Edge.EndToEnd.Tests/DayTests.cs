using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Edge.Testing;
using Xunit.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>A day of four streams at 10 Hz, as fast as it goes; some minutes, run with EDGE_LONG=1.</summary>
public sealed partial class DayTests(ITestOutputHelper output) : IDisposable
{
    private const long TicksOfAnHour = 36_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [LongFact]
    public async Task After_a_day_memory_and_handles_are_what_they_were_after_an_hour()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        int port = TestBroker.FreePort();
        string streams = string.Join(
            '\n',
            Enumerable.Range(0, 4)
                .Select(i => $"  - {{ name: s{i}, model: demo, period: 100ms, source: {{ simulated: {{ seed: {i}, speed: max }} }} }}"));
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            telemetry: { port: {{port}} }
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
            {{streams}}
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        using var client = new HttpClient();
        await UntilAsync(client, run, port, TicksOfAnHour);
        (long memory, int handles) = (run.ResidentBytes, run.Handles);
        await UntilAsync(client, run, port, 24 * TicksOfAnHour);
        (long memoryAfter, int handlesAfter) = (run.ResidentBytes, run.Handles);
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"resident {memory / 1e6:0.0} MB after an hour, {memoryAfter / 1e6:0.0} MB after a day; "
                    + $"{handles} and {handlesAfter} handles"));
        Assert.InRange(memoryAfter, 0, (long)(memory * 1.05));

        // The files of the log and of the history are open now and then.
        Assert.InRange(handlesAfter, 0, handles + 8);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    // Until the slowest stream has come so far.
    private static async Task UntilAsync(HttpClient client, RuntimeProcess run, int port, long ticks)
    {
        while (true)
        {
            await Task.Delay(1000);
            Assert.False(run.HasExited, run.Error);
            try
            {
                string metrics = await client.GetStringAsync(new Uri($"http://{IPAddress.Loopback}:{port}/metrics"));
                IEnumerable<long> counts = TicksPattern().Matches(metrics)
                    .Select(match => long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
                if (counts.DefaultIfEmpty(0).Min() >= ticks)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not up yet.
            }
        }
    }

    [GeneratedRegex(@"edge_stream_ticks_total\{[^}]*\} (\d+)")]
    private static partial Regex TicksPattern();
}
