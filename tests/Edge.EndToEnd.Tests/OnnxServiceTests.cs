using System.Text;
using System.Text.Json;
using Edge.Onnx.OnnxRuntime;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A stream on ONNX Runtime in the service: killed and restarted, converted, and with every library that it may meet.</summary>
public sealed class OnnxServiceTests : IDisposable
{
    private static readonly string Model = SharedData.Model("etth1-lstm64", "sequence.onnx");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataFact]
    public async Task Killed_and_restarted_the_stream_goes_on_within_a_millionth()
    {
        string data = _folder.Write("x.csv", string.Join('\n', File.ReadLines(SharedData.Readings("ETTh1.csv")).Take(900)));
        string expected = _folder.File("expected.jsonl");
        string[] arguments = ["replay", "--model", Model, "--data", data, "--output", expected, "--device", "house", "--stream", "s"];
        using (RuntimeProcess replay = RuntimeProcess.Start(arguments))
        {
            Assert.Equal(0, await replay.ExitAsync());
        }

        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = WriteConfig(broker.Port, "speed: 1000000x", Model);
        var random = new Random(3);
        int code = -1;
        for (int kills = 0; code != 0; kills++)
        {
            using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
            Task<int> exit = run.ExitAsync();
            await Task.WhenAny(exit, Task.Delay(kills < 6 ? random.Next(300, 900) : 60_000));
            if (exit.IsCompleted)
            {
                code = await exit;
                Assert.Equal(0, code);
            }
            else
            {
                run.Kill();
            }
        }

        Dictionary<long, double[]> unkilled = Forecasts(File.ReadLines(expected));
        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");
        Dictionary<long, double[]> killed = Forecasts(subscriber.On("edge/house/s/forecast").Select(item => item.Payload));
        Assert.Equal(unkilled.Keys.Order(), killed.Keys.Order());
        Assert.All(unkilled, entry => Assert.All(entry.Value.Zip(killed[entry.Key]), pair => Assert.Equal(pair.First, pair.Second, 1e-6)));
    }

    [SharedDataFact]
    public async Task A_stream_moved_to_int8_and_back_keeps_its_state_and_its_numbers()
    {
        string int8 = QuantizedModels.Of("etth1-lstm64", "sequence.onnx");
        string[] lines = [.. File.ReadLines(SharedData.Readings("ETTh1.csv")).Take(700)];
        await using TestBroker broker = await TestBroker.StartAsync();
        foreach ((string model, string from, int rows, string said) in new[]
        {
            (Model, int8, 300, ""),
            (int8, Model, 500, "its state converted from"),
            (Model, int8, 600, "its state converted from"),
            (Model, int8, 699, "continues after tick 600"),
        })
        {
            _folder.Write("x.csv", string.Join('\n', lines.Take(rows + 1)));
            using RuntimeProcess run = RuntimeProcess.Start(
                "run",
                "--config",
                WriteConfig(broker.Port, "speed: max", model, $"state_from: {from}"));
            Assert.Equal(0, await run.ExitAsync());
            Assert.Contains(said, run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("is reset", run.Error, StringComparison.Ordinal);
        }
    }

    [SharedDataFact]
    public async Task A_missing_provider_is_loud_but_not_fatal()
    {
        _folder.Write("x.csv", string.Join('\n', File.ReadLines(SharedData.Readings("ETTh1.csv")).Take(20)));
        await using TestBroker broker = await TestBroker.StartAsync();
        using RuntimeProcess run = RuntimeProcess.Start(
            "run",
            "--config",
            WriteConfig(broker.Port, "speed: max", Model, "", "onnxruntime: { providers: [tensorrt, cuda, cpu] }"));
        Assert.Equal(0, await run.ExitAsync());
        Assert.Contains("warn: ", run.Error, StringComparison.Ordinal);
        Assert.Contains("cpu (tensorrt: ", run.Error, StringComparison.Ordinal);
        Assert.Contains("cuda: this libonnxruntime.so was built without it", run.Error, StringComparison.Ordinal);

        using RuntimeProcess check = RuntimeProcess.Start("check", "--no-sensors", "--no-publish", "--config", _folder.File("edge.yaml"));
        Assert.Equal(0, await check.ExitAsync());
        Assert.Matches(@"note   stream s: its engine is onnx [\d.]+, cpu \(tensorrt: .* cuda: ", check.Output);

        using RuntimeProcess refused = RuntimeProcess.Start(
            "run",
            "--config",
            WriteConfig(broker.Port, "speed: max", Model, "", "onnxruntime: { providers: [cuda] }"));
        Assert.Equal(1, await refused.ExitAsync());
        Assert.Contains("cannot run this model with any of the providers cuda", refused.Error, StringComparison.Ordinal);
    }

    [SharedDataFact]
    public async Task A_broken_provider_beside_the_library_is_loud_but_not_fatal()
    {
        File.Copy(
            Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libonnxruntime.so"),
            _folder.File("libonnxruntime.so"));
        _folder.Write("libonnxruntime_providers_cuda.so", "not a library");
        _folder.Write("x.csv", string.Join('\n', File.ReadLines(SharedData.Readings("ETTh1.csv")).Take(20)));
        await using TestBroker broker = await TestBroker.StartAsync();
        string keys = $"onnxruntime: {{ library: {_folder.File("libonnxruntime.so")}, providers: [cuda, cpu] }}";
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, "speed: max", Model, "", keys));
        Assert.Equal(0, await run.ExitAsync());
        Assert.Contains("cpu (cuda: ", run.Error, StringComparison.Ordinal);
        Assert.Contains("libonnxruntime_providers_cuda.so", run.Error, StringComparison.Ordinal);
    }

    [SharedDataTheory]
    [InlineData("missing", "does not exist")]
    [InlineData("text", "cannot be loaded")]
    [InlineData("short", "it is truncated: it has 4000 bytes")]
    [InlineData("machine", "it is made for processor type 243")]
    [InlineData("other", "is not ONNX Runtime: it has no OrtGetApiBase")]
    [InlineData("old", "is ONNX Runtime 1.03.0; this build needs 1.")]
    public async Task A_library_that_does_not_fit_is_one_sentence(string kind, string part)
    {
        string native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        string own = Path.Combine(native, "libonnxruntime.so");
        string path = _folder.File("libonnxruntime.so");
        switch (kind)
        {
            case "text":
                await File.WriteAllTextAsync(path, "not a library");
                break;
            case "short":
                await File.WriteAllBytesAsync(path, (await File.ReadAllBytesAsync(own))[..4000]);
                break;
            case "machine":
                byte[] foreign = (await File.ReadAllBytesAsync(own))[..4000];
                foreign[18] = 243;
                await File.WriteAllBytesAsync(path, foreign);
                break;
            case "other":
                File.Copy(Directory.GetFiles(native, "libe_sqlite3.so").Single(), path);
                break;
            case "old":
                byte[] bytes = await File.ReadAllBytesAsync(own);
                OnnxLibrary.Load(null);
                byte[] version = Encoding.ASCII.GetBytes($"{OnnxLibrary.Version}\0");
                byte[] claimed = Encoding.ASCII.GetBytes("1.03.0\0");
                for (int at = bytes.AsSpan().IndexOf(version); at >= 0; at = bytes.AsSpan().IndexOf(version))
                {
                    claimed.CopyTo(bytes, at);
                }

                await File.WriteAllBytesAsync(path, bytes);
                break;
        }

        using RuntimeProcess run = RuntimeProcess.Start(
            "run",
            "--config",
            WriteConfig(1, "speed: max", Model, "", $"onnxruntime: {{ library: {path} }}"));
        Assert.Equal(1, await run.ExitAsync());
        string line = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(part, line, StringComparison.Ordinal);
        Assert.Contains(path, line, StringComparison.Ordinal);
    }

    // As ONNX Runtime words them where a part is not installed.
    [Theory]
    [InlineData(
        "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open shared object file: "
            + "No such file or directory",
        "libcublasLt.so.12 is missing, which is part of CUDA")]
    [InlineData(
        "Failed to load library with error: libcudnn.so.9: cannot open shared object file",
        "libcudnn.so.9 is missing, which is part of cuDNN")]
    [InlineData("error: libcuda.so.1: cannot open shared object file", "libcuda.so.1 is missing, which is part of the NVIDIA driver")]
    [InlineData("error: libnvinfer.so.10: cannot open shared object file", "part of TensorRT")]
    [InlineData("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "finds no GPU")]
    [InlineData(
        "[ErrorCode:Fail] /onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:63 FromProviderOptions "
            + "[ONNXRuntimeError] : 1 : FAIL : provider_options_utils.h:147 Parse Failed to parse provider option \"device_id\": "
            + "cuda_execution_provider_info.cc:73 operator() 0 <= info.device_id && info.device_id < num_devices was false. "
            + "Invalid device ID: 9, must be between 0 (inclusive) and 1 (exclusive).",
        "cuda: there is no GPU 9. onnxruntime.device counts them from 0, and there is 1.")]
    [InlineData("[ErrorCode:Fail] /src/core/a.cc:63 [ONNXRuntimeError] : 1 : FAIL : /src/b.h:147 It failed.", "cuda: It failed.")]
    [InlineData("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "driver is missing or older")]
    public void What_a_GPU_lacks_is_named(string message, string part) =>
        Assert.Contains(part, OnnxProviders.Explain("cuda", message), StringComparison.Ordinal);

    private string WriteConfig(
        int port,
        string speed,
        string model,
        string streamKeys = "",
        string keys = "") => _folder.Write("edge.yaml", $$"""
        device: house
        state: state
        mqtt: { host: 127.0.0.1, port: {{port}} }
        {{keys}}
        streams:
          - name: s
            model: {{model}}
            {{streamKeys}}
            source: { replay: { file: x.csv, {{speed}} } }
        """);

    private static Dictionary<long, double[]> Forecasts(IEnumerable<string> payloads) => payloads
        .Select(payload => JsonDocument.Parse(payload).RootElement)
        .Where(root => root.TryGetProperty("horizon_seconds", out _))
        .GroupBy(root => root.GetProperty("seq").GetInt64())
        .ToDictionary(
            group => group.Key,
            group =>
                group.First()
                    .GetProperty("channels")
                    .EnumerateObject()
                    .SelectMany(channel => channel.Value.GetProperty("value").EnumerateArray().Select(value => value.GetDouble()))
                    .ToArray());
}
