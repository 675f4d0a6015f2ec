using System.Net;
using Edge.Cluster.Tests.Otlp;
using Edge.Cluster.Tests.Servers;
using Edge.Runtime.Mqtt;
using Edge.Testing;
using Google.Protobuf;

namespace Edge.Cluster.Tests;

/// <summary>A collector gets a trace of each batch.</summary>
[Collection(ServersCollection.Name)]
public sealed class TraceTests(ServersFixture fixture)
{
    private const int ErrorCode = 2;

    // The kinds of OTLP.
    private const int Internal = 1;
    private const int Client = 3;
    private const int Producer = 4;
    private const int Consumer = 5;

    [ClusterFact]
    public async Task A_collector_gets_a_trace_of_each_batch_with_its_three_steps()
    {
        await using var collector = new TraceCollector();
        await using ClusterRig rig = await ClusterRig.StartAsync(
            fixture.Servers, "traces", partitions: 1, more: $"telemetry: {{ otlp: \"http://127.0.0.1:{collector.Port}\" }}");
        WorkerProcess worker = rig.StartWorker();
        await using var sender = new RowSender(fixture.Servers.Broker());
        MqttMessage[] rows = RowSender.Round("traces", "d", 7, 0);
        await sender.SendAsync([.. rows, rows[0], rows[1] with { Topic = "traces/d1/rows", Payload = "no row"u8.ToArray() }]);
        await Eventually.Async(() => Sum(collector, "edge.messages") >= 7 * 3, "the first rows' traces came");

        // A batch that fails says why, and comes again.
        fixture.Servers.Postgres.Crash();
        await sender.SendAsync(RowSender.Round("traces", "d", 7, 1));
        await Eventually.Async(() => worker.Error.Contains("PostgreSQL at 127.0.0.1:", StringComparison.Ordinal), "it says so");
        await fixture.Servers.Postgres.RestartAsync();
        await Eventually.Async(async () => await rig.CountAsync("SELECT sum(row_count) FROM edge_partition") == 14, "all rows are used");

        // What is left is sent before it stops.
        worker.Send(WorkerProcess.SigTerm);
        await Eventually.Async(() => worker.HasExited);
        Assert.Equal(0, worker.ExitCode);
        Assert.Equal(
            ("edge-cluster", worker.Name), (collector.Resource["service.name"], collector.Resource["service.instance.id"]));
        Span[] batches = [.. collector.Spans.Where(span => span.Name == "batch")];
        Span[] good = [.. batches.Where(span => span.Status is not { Code: ErrorCode })];
        Assert.Equal(14 + 2, good.Sum(span => Number(span, "edge.rows")));
        Assert.Equal(1, good.Sum(span => Number(span, "edge.rows.repeated")));
        Assert.Equal(1, good.Sum(span => Number(span, "edge.rows.refused")));
        Assert.All(good, span => Assert.Equal((0, 1), (Number(span, "edge.partition"), Number(span, "edge.epoch") > 0 ? 1 : 0)));
        Assert.All(batches, span => Assert.Equal((0, Consumer), (span.ParentSpanId.Length, span.Kind)));
        Assert.All(
            batches.Except(good),
            span => Assert.Contains("PostgreSQL at 127.0.0.1:", span.Status.Message, StringComparison.Ordinal));
        foreach (Span batch in good)
        {
            Span[] steps =
            [
                .. collector.Spans
                    .Where(span => span.TraceId == batch.TraceId && span != batch)
                    .OrderBy(span => span.StartTimeUnixNano),
            ];
            Assert.Equal(
                [("step", Internal), ("commit", Client), ("publish", Producer)], steps.Select(span => (span.Name, span.Kind)));
            Assert.All(steps, span => Assert.Equal(batch.SpanId, span.ParentSpanId));
            Assert.All(
                steps,
                span => Assert.True(
                    span.StartTimeUnixNano >= batch.StartTimeUnixNano && span.EndTimeUnixNano <= batch.EndTimeUnixNano));
            Assert.Equal("postgresql", Text(steps[1], "db.system.name"));
            Assert.InRange(Number(steps[1], "edge.batch"), 1, 20);
            Assert.Equal("rabbitmq", Text(steps[2], "messaging.system"));
        }
    }

    private static long Sum(TraceCollector collector, string key) =>
        collector.Spans.Where(span => span.Name == "batch").Sum(span => Number(span, key));

    private static long Number(Span span, string key) => span.Attributes.SingleOrDefault(tag => tag.Key == key)?.Value.IntValue ?? 0;

    private static string Text(Span span, string key) => span.Attributes.Single(tag => tag.Key == key).Value.StringValue;

    /// <summary>An HTTP server that takes traces as a collector does.</summary>
    private sealed class TraceCollector : IAsyncDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly List<Span> _spans = [];
        private readonly Task _loop;

        internal TraceCollector()
        {
            Port = ServerPrograms.FreePort();
            _listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
            _listener.Start();
            _loop = Task.Run(CollectAsync);
        }

        internal int Port { get; }

        /// <summary>What describes the sender.</summary>
        internal Dictionary<string, string> Resource { get; } = [];

        internal Span[] Spans
        {
            get
            {
                lock (_spans)
                {
                    return [.. _spans];
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _loop;
            _listener.Close();
        }

        private async Task CollectAsync()
        {
            while (_listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                if (context.Request.Url!.AbsolutePath == "/v1/traces")
                {
                    Note(ExportTraceServiceRequest.Parser.ParseFrom(body.ToArray()));
                }

                context.Response.ContentType = "application/x-protobuf";
                context.Response.Close();
            }
        }

        private void Note(ExportTraceServiceRequest request)
        {
            lock (_spans)
            {
                foreach (ResourceSpans resource in request.ResourceSpans)
                {
                    foreach (KeyValue each in resource.Resource.Attributes)
                    {
                        Resource[each.Key] = each.Value.StringValue;
                    }

                    _spans.AddRange(
                        resource.ScopeSpans.Where(scope => scope.Scope.Name == "edge.cluster").SelectMany(scope => scope.Spans));
                }
            }
        }
    }
}
