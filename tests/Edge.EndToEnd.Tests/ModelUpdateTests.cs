using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// New models for a running stream: good, worse, hostile, and with the process killed at any instant. EDGE_KILLS=200 is the long run.
/// </summary>
public sealed class ModelUpdateTests : IDisposable
{
    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("EDGE_KILLS"), out int kills) ? kills : 6;
    private static readonly byte[] Original = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_model_that_is_no_worse_takes_over_and_can_be_rolled_back()
    {
        Prepare();
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        byte[] next = Variant(1);
        Offer(next);
        await subscriber.UntilAsync(seen => Events(seen).Contains("taken"));
        Assert.Equal(["trial", "taken"], Events(subscriber.All));
        Assert.Equal(next, File.ReadAllBytes(Model));
        Assert.Equal(Original, File.ReadAllBytes(Model + ".previous"));
        Assert.Empty(Directory.GetFiles(_folder.File("incoming")));

        // The stream went on: every number once, a forecast for each, the new model's name on the later ones.
        string sha = Sha(next)[..6];
        await subscriber.UntilAsync(
            seen => seen.Count(item => item.Topic == "edge/house/climate/forecast" && Text(item, "model") == sha) > 5);
        long[] forecasts =
        [
            .. subscriber.On("edge/house/climate/forecast")
                .Select(item => JsonDocument.Parse(item.Payload).RootElement.GetProperty("seq").GetInt64()),
        ];
        Assert.Equal(Enumerable.Range((int)forecasts[0], forecasts.Length).Select(seq => (long)seq), forecasts);

        await subscriber.UntilAsync(
            seen => seen.Last(item => item.Topic == "edge/house/info").Payload.Contains(Sha(next), StringComparison.Ordinal));

        Ask(broker.Port, "rollback", """{"stream":"climate"}""");
        await subscriber.UntilAsync(seen => Events(seen).Contains("rolled_back"));
        Assert.Equal(Original, File.ReadAllBytes(Model));
        Assert.Equal(next, File.ReadAllBytes(Model + ".previous"));

        // What was in use once comes back by rollback only.
        Offer(next);
        await subscriber.UntilAsync(seen => Events(seen).Contains("refused"));
        Assert.Equal(Original, File.ReadAllBytes(Model));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    [Fact]
    public async Task A_worse_model_is_dropped_with_the_figures()
    {
        Prepare();
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        Offer(Variant(2, isWorse: true));
        await subscriber.UntilAsync(seen => Events(seen).Contains("refused"));
        JsonElement refused = JsonDocument.Parse(subscriber.On("edge/house/climate/model")[^1].Payload).RootElement;
        Assert.InRange(refused.GetProperty("error_ratio").GetDouble(), 1.001, 1000);
        Assert.Contains(
            "The new model is dropped: over 400 ticks its error was ",
            refused.GetProperty("message").GetString(),
            StringComparison.Ordinal);
        Assert.Equal(Original, File.ReadAllBytes(Model));
        Assert.False(File.Exists(Model + ".previous"));
    }

    [Fact]
    public async Task Unsigned_wrongly_signed_truncated_swapped_and_old_models_are_not_taken()
    {
        Prepare();
        Assert.Equal(0, Edge.Quantize.Program.Run(["keygen", "--key", _folder.File("other.pem")], TextWriter.Null, TextWriter.Null));
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        byte[] good = Variant(3);
        (string Why, byte[] File, string? Signature)[] hostile =
        [
            ("The signature does not verify", good, Sign(good, "other.pem")),
            ("The signature does not verify", good, Sign(Variant(4), "key.pem")),
            ("The signature does not verify", good[..^100], Sign(good, "key.pem")),
            ("The signature does not verify", good, "AAAA"),
            ("The signature does not verify", good, "\u0000\ud7ff"),
            ("file", good[..^100], Sign(good[..^100], "key.pem")),
            ("does not fit stream", Variant(5, rename: "another"), Sign(Variant(5, rename: "another"), "key.pem")),
            ("is or was in use", Original, Sign(Original, "key.pem")),
        ];
        for (int i = 0; i < hostile.Length; i++)
        {
            (string why, byte[] file, string? signature) = hostile[i];
            Offer(file, signature);
            int count = i + 1;
            await subscriber.UntilAsync(seen => Events(seen).Count(each => each == "refused") == count);
            Assert.Contains(
                why,
                JsonDocument.Parse(subscriber.On("edge/house/climate/model")[^1].Payload).RootElement.GetProperty("message").GetString(),
                StringComparison.Ordinal);
        }

        // Over MQTT: without a signature, and parts that are not what they say.
        Assert.Contains("has no signature", Send(broker.Port, good, null), StringComparison.Ordinal);
        Assert.Contains(
            "The SHA-256 of the assembled model is wrong",
            Send(broker.Port, good, null, Sha(Original)),
            StringComparison.Ordinal);
        Assert.Equal(Original, File.ReadAllBytes(Model));
        Assert.DoesNotContain("trial", Events(subscriber.All));
        Assert.All(Directory.GetFiles(_folder.File("incoming")), file => Assert.EndsWith(".refused", file, StringComparison.Ordinal));

        // And after all that a good one, in parts.
        Assert.Contains("runs beside", Send(broker.Port, good, Sign(good, "key.pem")), StringComparison.Ordinal);
        await subscriber.UntilAsync(seen => Events(seen).Contains("taken"));
        Assert.Equal(good, File.ReadAllBytes(Model));
    }

    [Fact]
    public async Task A_trial_that_came_over_MQTT_is_begun_again_after_a_restart()
    {
        Prepare();
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        byte[] next = Variant(6);
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, "1x")))
        {
            await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
            Assert.Contains("runs beside", Send(broker.Port, next, Sign(next, "key.pem")), StringComparison.Ordinal);
            run.Kill();
        }

        Assert.Equal(Original, File.ReadAllBytes(Model));
        using RuntimeProcess again = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port));
        await subscriber.UntilAsync(seen => Events(seen).Contains("taken"));
        Assert.Equal(next, File.ReadAllBytes(Model));
        Assert.Empty(Directory.GetFiles(_folder.File("incoming")));
    }

    [Fact]
    public async Task A_model_that_is_refused_at_the_start_does_not_stop_the_trial_before_it()
    {
        Prepare();
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        byte[] next = Variant(8);
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, "1x")))
        {
            await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
            Offer(next);
            await subscriber.UntilAsync(seen => Events(seen).Contains("trial"));
            run.Kill();
        }

        Offer(Variant(9), "AAAA");
        using RuntimeProcess again = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port));
        await subscriber.UntilAsync(seen => Events(seen).Contains("taken"));
        Assert.Equal(["trial", "refused", "trial", "taken"], Events(subscriber.All));
        Assert.Equal(next, File.ReadAllBytes(Model));
        string[] left = [.. Directory.GetFiles(_folder.File("incoming")).Select(Path.GetFileName).OfType<string>().Order()];
        Assert.Equal(["climate.safetensors.refused", "climate.safetensors.sig.refused"], left);
    }

    [Fact]
    public async Task A_reset_during_a_trial_begins_it_again()
    {
        Prepare();
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", WriteConfig(broker.Port, "2x"));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        byte[] next = Variant(7);
        Offer(next);
        await subscriber.UntilAsync(seen => Events(seen).Contains("trial"));
        Assert.Contains("climate", Ask(broker.Port, "reset", """{"stream":"climate"}"""), StringComparison.Ordinal);
        Assert.DoesNotContain("taken", Events(subscriber.All));
        await subscriber.UntilAsync(seen => Events(seen).Contains("taken"));
        Assert.Equal(next, File.ReadAllBytes(Model));
    }

    [Fact]
    public async Task Killed_at_any_instant_of_an_update_one_whole_model_runs()
    {
        Prepare();
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = WriteConfig(broker.Port);
        var random = new Random(4);
        HashSet<string> valid = [Sha(Original)];
        HashSet<string> ran = [];
        for (int kill = 0; kill < Kills; kill++)
        {
            byte[] next = Variant(100 + kill);
            valid.Add(Sha(next));
            Offer(next);
            using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
            await Task.Delay(random.Next(600, 2400));
            Assert.False(run.HasExited, run.Error);
            run.Kill();

            // Whatever was cut off, the file in use is one of those that were ever whole, and loads.
            ran.Add(EdgeModel.Load(Model).Sha256);
            Assert.Contains(Sha(File.ReadAllBytes(Model)), valid);
            if (File.Exists(Model + ".previous"))
            {
                Assert.Contains(Sha(File.ReadAllBytes(Model + ".previous")), valid);
            }
        }

        // Some of them did get through, and the last one does if it is left alone.
        using (RuntimeProcess last = RuntimeProcess.Start("run", "--config", config))
        {
            // It may have nothing left to do; it must still be up to be told to stop.
            await subscriber.UntilAsync(
                _ =>
                    Directory.GetFiles(_folder.File("incoming")).Length == 0
                        && last.Error.Contains("Connected to the broker", StringComparison.Ordinal));
            last.Terminate();
            Assert.Equal(0, await last.ExitAsync());
        }

        ran.Add(EdgeModel.Load(Model).Sha256);
        Assert.InRange(ran.Count, 2, Kills + 2);
    }

    private string Model => _folder.File("climate.safetensors");

    private void Prepare()
    {
        File.WriteAllBytes(Model, Original);
        Directory.CreateDirectory(_folder.File("incoming"));
        Assert.Equal(0, Edge.Quantize.Program.Run(["keygen", "--key", _folder.File("key.pem")], TextWriter.Null, TextWriter.Null));
    }

    private string WriteConfig(int port, string speed = "40x") => _folder.Write("edge.yaml", $$"""
        device: house
        state: state
        commands: [update, rollback, reset]
        models: { incoming: incoming, trusted_key: key.pub.pem, canary: 400 }
        mqtt: { host: 127.0.0.1, port: {{port}} }
        streams:
          - { name: climate, model: climate.safetensors, period: 20ms, source: { simulated: { seed: 3, speed: {{speed}} } } }
        """);

    private static byte[] Variant(int number, bool isWorse = false, string? rename = null) =>
        ModelVariant.Of(Original, number, isWorse, rename);

    private void Offer(byte[] file) => Offer(file, Sign(file, "key.pem"));

    // As a careful copy does it: the signature first, the model renamed into place.
    private void Offer(byte[] file, string? signature)
    {
        string path = _folder.File(Path.Combine("incoming", "climate.safetensors"));
        if (signature is not null)
        {
            File.WriteAllText(path + ".sig", signature);
        }

        File.WriteAllBytes(_folder.File("new.tmp"), file);
        File.SetLastWriteTimeUtc(_folder.File("new.tmp"), DateTime.UtcNow.AddSeconds(-60));
        File.Move(_folder.File("new.tmp"), path, overwrite: true);
    }

    private string Sign(byte[] file, string key)
    {
        File.WriteAllBytes(_folder.File("to-sign"), file);
        Assert.Equal(
            0,
            Edge.Quantize.Program.Run(["sign", _folder.File("to-sign"), "--key", _folder.File(key)], TextWriter.Null, TextWriter.Null));
        return File.ReadAllText(_folder.File("to-sign.sig"));
    }

    private static string Send(int port, byte[] file, string? signature, string? sha = null)
    {
        const int PartBytes = 8000;
        int parts = (file.Length + PartBytes - 1) / PartBytes;
        string answer = "";
        for (int part = 1; part <= parts; part++)
        {
            var payload = new JsonObject
            {
                ["stream"] = "climate",
                ["sha256"] = sha ?? Sha(file),
                ["part"] = part,
                ["parts"] = parts,
                ["data"] = Convert.ToBase64String(file[((part - 1) * PartBytes)..Math.Min(file.Length, part * PartBytes)]),
            };
            if (signature is not null)
            {
                payload["signature"] = signature;
            }

            answer = Ask(port, "update", payload.ToJsonString());
        }

        return answer;
    }

    private static string Ask(int port, string command, string payload) => CommandClient.Ask(port, command, payload).Message;

    private static string[] Events(IReadOnlyList<Seen> seen) =>
        [.. seen.Where(item => item.Topic == "edge/house/climate/model").Select(item => Text(item, "event"))];

    private static string Text(Seen message, string key) => JsonDocument.Parse(message.Payload).RootElement.GetProperty(key).GetString()!;

    private static string Sha(byte[] file) => Convert.ToHexStringLower(SHA256.HashData(file));
}
