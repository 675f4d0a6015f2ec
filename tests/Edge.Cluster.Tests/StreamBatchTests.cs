using Edge.Cluster.Tests.Servers;
using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams;
using Edge.Streams.Engines;

namespace Edge.Cluster.Tests;

/// <summary>Streams that step together give what each gives alone.</summary>
public sealed class StreamBatchTests
{
    private static readonly EdgeModel Model = ((Int8Engine)EngineFactory.LoadInt8("demo")).Model;

    // More than two blocks, some rows that cannot be used, and values so far off that inputs and states are clipped.
    [Fact]
    public void A_batch_gives_the_payloads_health_and_snapshots_of_each_stream_alone()
    {
        const int Streams = 150;
        const int Ticks = 130;
        var batch = new StreamBatch(Model);
        SensorStream[] together = [.. Enumerable.Range(0, Streams).Select(i => Stream(i, batch.NewEngine()))];
        SensorStream[] alone = [.. Enumerable.Range(0, Streams).Select(i => Stream(i, new Int8Engine(Model)))];
        var ticks = new StreamTick[Streams];
        long clipped = 0;
        for (int tick = 0; tick < Ticks; tick++)
        {
            batch.Step(together, [.. Enumerable.Range(0, Streams).Select(i => Row(i, tick))], ticks);
            for (int i = 0; i < Streams; i++)
            {
                Assert.Equal(Render(alone[i], alone[i].Step(Row(i, tick))), Render(together[i], ticks[i]));
                Assert.Equal(alone[i].Save(), together[i].Save());
            }

            clipped = together.Sum(stream => stream.Health.StateSaturations);
        }

        Assert.True(clipped > 0, "no state was clipped: the values are not far enough off");
        Assert.True(together.Sum(stream => stream.Health.SaturatedTicks.Sum()) > 0, "no input was clipped");
    }

    private static SensorStream Stream(int i, IInferenceEngine engine) => new(engine, new StreamOptions { Name = $"s{i}" });

    private static Reading Row(int stream, int tick)
    {
        (DateTime time, double[] values) = Rows.Of(stream, tick);
        var row = new Reading(values.Length) { Time = time };
        for (int i = 0; i < values.Length; i++)
        {
            bool isThere = !double.IsNaN(values[i]);
            row.Values[i] = isThere ? values[i] * (stream % 3 == 0 && tick % 20 > 10 ? 1e4 : 1) : 0;
            row.Quality[i] = isThere ? Quality.Good : Quality.Missing;
        }

        return row;
    }

    private static string[] Render(SensorStream stream, StreamTick tick)
    {
        using var payloads = new StreamPayloads("d", stream, new PublishOptions { Scores = true }, TimeSpan.FromDays(1));
        List<MqttMessage> messages = [payloads.Health(tick.Seq, tick.Reading, stream.Health, 0, null)];
        payloads.Render(tick, messages);
        return [.. messages.Select(message => System.Text.Encoding.UTF8.GetString(message.Payload.Span))];
    }
}
