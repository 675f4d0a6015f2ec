using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Edge.Onnx.Proto;
using Edge.Testing;
using Google.Protobuf;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// Models whose outputs are no plain forecasts, from the ONNX file to the broker: a remaining life, three classes, quantiles, an
/// autoencoder.
/// </summary>
public sealed class NamedOutputTests : IDisposable
{
    private const int Units = 8;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_output_is_published_described_and_replayed_as_what_it_is()
    {
        Quantize("life", 1, """{"life":{"unit":"h","mean":100,"std":20}}""");
        Quantize("classes", 3, """{"state":["good","worn","broken"]}""", "Softmax");
        Quantize("quantiles", 3, """ "temperature[t+5]:p10","temperature[t+5]:0.5","temperature[t+5]:0.9" """);
        Quantize("autoencoder", 4, """ "temperature[t]","humidity[t]","light[t]","co2[t]" """);
        string[] names = ["life", "classes", "quantiles", "autoencoder"];
        await using TestBroker broker = await TestBroker.StartAsync();
        string streams = string.Join('\n', names.Select(
            name => $"  - {{ name: {name}, model: {name}.safetensors, period: 50ms, source: {{ simulated: {{ seed: 3 }} }} }}"));
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            mqtt: { host: 127.0.0.1, port: {{broker.Port}}, discovery: homeassistant }
            streams:
            {{streams}}
            """);
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await subscriber.UntilAsync(seen => new[] { "life", "classes", "quantiles", "autoencoder" }
                .All(stream => seen.Any(item => item.Topic == Discovery(stream)))
            && new[] { "life/output", "classes/output", "quantiles/forecast", "autoencoder/output" }
                .All(topic => seen.Any(item => item.Topic == $"edge/house/{topic}")));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());

        RequireLife(First(subscriber, "life/output"));
        RequireClasses(First(subscriber, "classes/output"));
        RequireQuantiles(First(subscriber, "quantiles/forecast"));
        RequireReconstructions(First(subscriber, "autoencoder/output"));
        Assert.Empty(subscriber.On("edge/house/life/forecast"));
        Assert.Empty(subscriber.On("edge/house/quantiles/output"));
        RequireDiscovery(stream =>
            JsonDocument.Parse(subscriber.On(Discovery(stream))[0].Payload).RootElement.GetProperty("cmps"));

        // A recording gives the same kinds of messages.
        string recording = Recording();
        RequireLife(Replayed("life", recording, "values"));
        RequireClasses(Replayed("classes", recording, "classes"));
        RequireQuantiles(Replayed("quantiles", recording, "horizon_seconds"));
        RequireReconstructions(Replayed("autoencoder", recording, "reconstructions"));
    }

    private static void RequireLife(JsonElement message)
    {
        JsonElement life = message.GetProperty("values").GetProperty("life");
        Assert.Equal("h", life.GetProperty("unit").GetString());
        Assert.InRange(life.GetProperty("value").GetDouble(), 40, 160);
    }

    private static void RequireClasses(JsonElement message)
    {
        JsonElement state = message.GetProperty("classes").GetProperty("state");
        JsonProperty[] probabilities = [.. state.GetProperty("probabilities").EnumerateObject()];
        Assert.Equal(["good", "worn", "broken"], probabilities.Select(each => each.Name));
        Assert.Equal(1, probabilities.Sum(each => each.Value.GetDouble()), 1e-5);
        Assert.Equal(probabilities.MaxBy(each => each.Value.GetDouble()).Name, state.GetProperty("class").GetString());
    }

    // The outer quantiles are the interval, also where an untrained model crosses them.
    private static void RequireQuantiles(JsonElement message)
    {
        Assert.Equal(1, message.GetProperty("horizon_seconds").GetArrayLength());
        JsonElement temperature = message.GetProperty("channels").GetProperty("temperature");
        double value = temperature.GetProperty("value")[0].GetDouble();
        Assert.InRange(value, temperature.GetProperty("low")[0].GetDouble(), temperature.GetProperty("high")[0].GetDouble());
    }

    private static void RequireReconstructions(JsonElement message)
    {
        JsonElement columns = message.GetProperty("reconstructions");
        Assert.Equal(["temperature", "humidity", "light", "co2"], columns.EnumerateObject().Select(column => column.Name));
        Assert.Equal("degC", columns.GetProperty("temperature").GetProperty("unit").GetString());
        Assert.True(double.IsFinite(columns.GetProperty("co2").GetProperty("value").GetDouble()));
    }

    private static string Discovery(string stream) => $"homeassistant/device/house-{stream}/config";

    private static void RequireDiscovery(Func<string, JsonElement> components)
    {
        JsonElement life = components("life").GetProperty("output_life");
        Assert.Equal(
            ("edge/house/life/output", "{{ value_json.values['life'].value }}", "h"),
            (Text(life, "stat_t"), Text(life, "val_tpl"), Text(life, "unit_of_meas")));
        JsonElement state = components("classes").GetProperty("output_state");
        Assert.Equal(("enum", "{{ value_json.classes['state'].class }}"), (Text(state, "dev_cla"), Text(state, "val_tpl")));
        Assert.Equal(["good", "worn", "broken"], state.GetProperty("options").EnumerateArray().Select(each => each.GetString()));
        Assert.Single(components("quantiles").EnumerateObject(), component =>
            component.Name.StartsWith("temperature_in_", StringComparison.Ordinal));
        Assert.Equal("°C", Text(components("autoencoder").GetProperty("temperature_reconstructed"), "unit_of_meas"));
    }

    private JsonElement Replayed(string name, string recording, string member)
    {
        string lines = _folder.File($"{name}.jsonl");
        Assert.Equal(0, Edge.Runtime.Program.Main(
            ["replay", "--model", _folder.File($"{name}.safetensors"), "--data", recording, "--output", lines]).GetAwaiter().GetResult());
        return File.ReadLines(lines).Select(line => JsonDocument.Parse(line).RootElement).First(line => line.TryGetProperty(member, out _));
    }

    private string Recording() => _folder.Write("recording.csv", "time,temperature,humidity,light,co2\n" + string.Concat(
        Enumerable.Range(0, 20).Select(i => string.Create(
            CultureInfo.InvariantCulture,
            $"2026-01-01T00:00:{i:00}Z,{20 + Math.Sin(i):0.00},{55 + Math.Cos(i):0.00},{3000 + (10 * i)},{600 + i}\n"))));

    // An LSTM and a head with random weights, through the quantizer with its manifest.
    private void Quantize(string name, int outputs, string named, string? activation = null)
    {
        var random = new Random(7);
        var graph = new Graph { Name = name };
        graph.Input.Add(Typed("x", new Dimension { DimParam = "time" }, new Dimension { DimValue = 1 }, new Dimension { DimValue = 4 }));
        graph.Output.Add(Typed("y", new Dimension { DimParam = "time" }, new Dimension { DimValue = 1 },
            new Dimension { DimValue = outputs }));
        graph.Initializer.Add(
            [
                Tensor("W", 1, 4 * Units, 4), Tensor("R", 1, 4 * Units, Units), Tensor("B", 1, 8 * Units), Tensor("H", Units, outputs),
                new TensorProto { Name = "directions", DataType = 7, Dims = { 1 }, Int64Data = { 1 } },
            ]);
        var lstm = new Node { OpType = "LSTM", Name = "lstm", Input = { "x", "W", "R", "B" }, Output = { "rows" } };
        lstm.Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "hidden_size", Type = 2, I = Units });
        graph.Node.Add(
            [
                lstm,
                new Node { OpType = "Squeeze", Name = "squeeze", Input = { "rows", "directions" }, Output = { "features" } },
                new Node { OpType = "MatMul", Name = "head", Input = { "features", "H" }, Output = { "sums" } },
                new Node { OpType = activation ?? "Identity", Name = "activation", Input = { "sums" }, Output = { "y" } },
            ]);
        File.WriteAllBytes(
            _folder.File($"{name}.onnx"),
            new Model { IrVersion = 8, Graph = graph, OpsetImport = { new OperatorSet { Domain = "", Version = 17 } } }.ToByteArray());
        string manifest = _folder.Write($"{name}.json", $$"""
            {"name":"{{name}}","columns":["temperature","humidity","light","co2"],"units":["degC","%","lx","ppm"],"period_seconds":1,
             "mean":[20,55,3000,600],"std":[2,5,1000,100],"outputs_named":[{{named}}]}
            """);
        float[] rows = [.. Enumerable.Range(0, 400 * 4).Select(_ => (random.NextSingle() * 3) - 1.5f)];
        File.WriteAllBytes(_folder.File("rows.f32"), MemoryMarshal.AsBytes(rows.AsSpan()));
        Assert.Equal(0, Edge.Quantize.Program.Run(
            [
                "quantize", _folder.File($"{name}.onnx"), "--manifest", manifest, "--calibration", _folder.File("rows.f32"), "-o",
                _folder.File($"{name}.safetensors"), "--precision", "int16",
            ],
            TextWriter.Null,
            Console.Error));

        TensorProto Tensor(string tensor, params long[] shape) => new()
        {
            Name = tensor,
            DataType = 1,
            Dims = { shape },
            FloatData = { Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(_ => random.NextSingle() - 0.5f) },
        };
    }

    private static ValueInfo Typed(string name, params Dimension[] shape) => new()
    {
        Name = name,
        Type = new Edge.Onnx.Proto.Type { TensorType = new TensorType { ElemType = 1, Shape = new Shape { Dim = { shape } } } },
    };

    private static JsonElement First(Subscriber subscriber, string topic) =>
        JsonDocument.Parse(subscriber.On($"edge/house/{topic}")[0].Payload).RootElement;

    private static string? Text(JsonElement element, string key) => element.GetProperty(key).GetString();
}
