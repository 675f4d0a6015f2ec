using System.Text.Json;
using Edge.Cluster.Broker;
using Edge.Testing;
using RabbitMQ.Client;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A subscriber with a queue of its own: every message under <c>edge/</c>, by stream, in the order of its first coming.</summary>
internal sealed class Collector : IAsyncDisposable
{
    // What a stream says of a row without a value depends on the source, not on the pipeline: replay has no words for it.
    private const string Fault = ",\"fault\":\"a message came without its value\"";

    private readonly BrokerLink _link;
    private readonly string _queue;
    private readonly Func<string, bool> _isKept;
    private readonly Dictionary<string, Stream> _streams = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Task _loop = Task.CompletedTask;

    /// <param name="options">The broker.</param>
    /// <param name="queue">Name of its queue.</param>
    /// <param name="isKept">Of which streams (<c>device/stream</c>) the payloads are kept, not only checked.</param>
    internal Collector(BrokerOptions options, string queue, Func<string, bool> isKept)
    {
        _link = new BrokerLink(options, queue);
        _queue = queue;
        _isKept = isKept;
    }

    /// <summary>Messages that came again.</summary>
    internal long Duplicates { get; private set; }

    /// <summary>All messages.</summary>
    internal long Messages { get; private set; }

    /// <summary>Readings, each counted once.</summary>
    internal long ReadingsSum { get; private set; }

    /// <summary>What should not be: one sentence each.</summary>
    internal List<string> Problems { get; } = [];

    internal async Task StartAsync()
    {
        await using (IChannel channel = await _link.OpenAsync(confirms: false, default))
        {
            await channel.QueueDeclareAsync(
                _queue, durable: true, exclusive: false, autoDelete: false,
                arguments: new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
            await channel.QueueBindAsync(_queue, Topology.MqttExchange, "edge.#");
            await channel.CloseAsync();
        }

        _loop = Task.Run(CollectAsync);
    }

    /// <summary>Streams whose last reading has this number or a later one.</summary>
    internal int StreamsAt(long seq)
    {
        lock (_gate)
        {
            return _streams.Values.Count(stream => stream.LastReading >= seq);
        }
    }

    /// <summary>Number of the last reading of a stream; 0 for none.</summary>
    internal long LastReading(string stream)
    {
        lock (_gate)
        {
            return _streams.TryGetValue(stream, out Stream? known) ? known.LastReading : 0;
        }
    }

    /// <summary>Readings and forecasts of each stream.</summary>
    internal Dictionary<string, (int Readings, int Forecasts)> Counts()
    {
        lock (_gate)
        {
            return _streams.ToDictionary(stream => stream.Key, stream => (stream.Value.Readings.Count, stream.Value.Forecasts.Count));
        }
    }

    /// <summary>The JSON payloads of a stream, each once, in the order in which they first came.</summary>
    internal IReadOnlyList<string> Payloads(string stream)
    {
        lock (_gate)
        {
            return [.. _streams[stream].Kept!];
        }
    }

    /// <summary>Requires that the messages of a stream are those of one unbroken <c>edge-runtime replay</c> over the same rows.</summary>
    /// <param name="folder">Folder for the recording.</param>
    /// <param name="device">The device; its stream is <c>climate</c>.</param>
    /// <param name="stream">Number of the stream in <see cref="Rows"/>.</param>
    /// <param name="rows">Number of its rows.</param>
    internal async Task AssertEqualsReplayAsync(TemporaryFolder folder, string device, int stream, int rows)
    {
        string data = folder.Write("rows.csv", Rows.Csv(stream, rows));
        var error = new StringWriter();
        int code = await Edge.Runtime.Program.RunAsync(
            [
                "replay", "--model", "demo", "--data", data, "--output", folder.File("replay.jsonl"), "--device", device, "--stream",
                "climate",
            ],
            TextWriter.Null,
            error);
        Assert.True(code == 0, error.ToString());

        // Its last line is the health at the end of a recording; a stream of the cluster has no end.
        string[] expected = (await File.ReadAllLinesAsync(folder.File("replay.jsonl")))[..^1];
        string[] came = [.. Payloads($"{device}/climate").Select(line => line.Replace(Fault, "", StringComparison.Ordinal))];
        Assert.Equal(expected, came);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        await _link.DisposeAsync();
        _stop.Dispose();
    }

    private async Task CollectAsync()
    {
        var rows = new List<RowDelivery>();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await using PartitionConsumer consumer = await PartitionConsumer.OpenAsync(_link, _queue, _stop.Token);
                while (true)
                {
                    await consumer.WaitAsync(_stop.Token);
                    rows.Clear();
                    consumer.Take(rows, 1000);
                    lock (_gate)
                    {
                        foreach (RowDelivery row in rows)
                        {
                            Note(row.Topic, row.Body);
                        }
                    }

                    await consumer.AcknowledgeAsync(rows[^1].Tag, _stop.Token);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (OutageException)
            {
                // A node of the broker was killed.
                await Task.Delay(200);
            }
            catch (Exception e)
            {
                Problems.Add($"The collector failed: {e}");
                return;
            }
        }
    }

    private void Note(string topic, byte[] body)
    {
        Messages++;
        string[] levels = topic.Split('/');
        string key = $"{levels[1]}/{levels[2]}";
        if (!_streams.TryGetValue(key, out Stream? stream))
        {
            _streams[key] = stream = new Stream(_isKept(key));
        }

        if (body[0] != (byte)'{')
        {
            return;
        }

        var reader = new Utf8JsonReader(body);
        long seq = Seq(ref reader);
        Dictionary<long, ulong> known = levels[^1] switch
        {
            "reading" => stream.Readings,
            "forecast" => stream.Forecasts,
            _ => stream.Others,
        };
        long id = known == stream.Others ? (seq << 8) | levels[^1][0] : seq;
        ulong hash = BitConverter.ToUInt64(System.Security.Cryptography.SHA256.HashData(body));
        if (known.TryGetValue(id, out ulong before))
        {
            Duplicates++;
            if (before != hash)
            {
                Problems.Add($"{topic}: tick {seq} came twice with different payloads: {System.Text.Encoding.UTF8.GetString(body)}");
            }

            return;
        }

        known[id] = hash;
        if (seq < stream.LastSeq)
        {
            Problems.Add($"{topic}: tick {seq} first came after tick {stream.LastSeq}");
        }

        stream.LastSeq = Math.Max(stream.LastSeq, seq);
        if (known == stream.Readings)
        {
            stream.LastReading = Math.Max(stream.LastReading, seq);
            ReadingsSum++;
        }

        stream.Kept?.Add(System.Text.Encoding.UTF8.GetString(body));
    }

    // {"device":"d","stream":"s","seq":5,…
    private static long Seq(ref Utf8JsonReader reader)
    {
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("seq"u8))
            {
                reader.Read();
                return reader.GetInt64();
            }
        }

        return 0;
    }

    private sealed class Stream(bool isKept)
    {
        internal Dictionary<long, ulong> Readings { get; } = [];

        internal Dictionary<long, ulong> Forecasts { get; } = [];

        internal Dictionary<long, ulong> Others { get; } = [];

        internal List<string>? Kept { get; } = isKept ? [] : null;

        internal long LastSeq { get; set; }

        internal long LastReading { get; set; }
    }
}
