using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A message as mosquitto_sub saw it.</summary>
internal sealed record Seen(string Topic, string Payload, int QualityOfService, bool Retain, JsonElement Properties);

/// <summary>An independent subscriber: mosquitto_sub, which shares no code with what is tested.</summary>
internal sealed class Subscriber : IAsyncDisposable
{
    private readonly Process _process;
    private readonly List<Seen> _seen = [];
    private readonly TaskCompletionSource _subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;

    private Subscriber(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    internal static async Task<Subscriber> StartAsync(int port, string filter = "edge/#", params string[] more)
    {
        // -d says when the broker has granted the subscription; its lines do not look like JSON. stdbuf lets them out at once.
        var start = new ProcessStartInfo(
            "stdbuf",
            ["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", $"{port}", "-V", "5", "-q", "1", "-t", filter, "-F", "%j", "-d", .. more])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        for (long started = Stopwatch.GetTimestamp(); ; await Task.Delay(20))
        {
            var subscriber = new Subscriber(Process.Start(start)!);

            // It ends at once where the broker is not there yet.
            Task ended = subscriber._process.WaitForExitAsync();
            if (await Task.WhenAny(subscriber._subscribed.Task, ended).WaitAsync(Eventually.Bound) != ended)
            {
                return subscriber;
            }

            await subscriber.DisposeAsync();
            Assert.True(Stopwatch.GetElapsedTime(started) < Eventually.Bound, "The broker never granted the subscription.");
        }
    }

    /// <summary>How often the broker has granted the subscription: more than once if it went away in between.</summary>
    internal int Subscriptions { get; private set; }

    internal IReadOnlyList<Seen> All
    {
        get
        {
            lock (_seen)
            {
                return [.. _seen];
            }
        }
    }

    internal IReadOnlyList<Seen> On(string topic) => All.Where(seen => seen.Topic == topic).ToArray();

    /// <summary>Waits until the messages seen fulfil a condition.</summary>
    /// <param name="condition">On all messages so far.</param>
    /// <param name="secondsMax">How long to wait.</param>
    /// <param name="more">What the failure says besides the number of messages, such as the log of the service.</param>
    internal async Task UntilAsync(Func<IReadOnlyList<Seen>, bool> condition, int secondsMax = 120, Func<string>? more = null)
    {
        for (long started = Stopwatch.GetTimestamp(); !condition(All); await Task.Delay(20))
        {
            Assert.True(
                Stopwatch.GetElapsedTime(started).TotalSeconds < secondsMax,
                $"not seen within {secondsMax} s; seen: "
                    + string.Join(", ", All.GroupBy(seen => seen.Topic).Select(group => $"{group.Count()} on {group.Key}"))
                    + $" {more?.Invoke()}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private void Take(string? line)
    {
        // A process killed while it writes leaves a line cut short.
        if (line is null || _stopping)
        {
            return;
        }

        if (!line.StartsWith('{'))
        {
            if (line.Contains("SUBACK", StringComparison.Ordinal))
            {
                Subscriptions++;
                _subscribed.TrySetResult();
            }

            return;
        }

        JsonElement root = JsonDocument.Parse(line).RootElement;
        var seen = new Seen(
            root.GetProperty("topic").GetString()!,
            root.GetProperty("payload").GetString()!,
            root.GetProperty("qos").GetInt32(),
            root.GetProperty("retain").GetInt32() != 0,
            root.TryGetProperty("properties", out JsonElement properties) ? properties : default);
        lock (_seen)
        {
            _seen.Add(seen);
        }
    }
}
