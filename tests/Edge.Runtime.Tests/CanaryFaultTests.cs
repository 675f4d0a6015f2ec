using System.Text;
using System.Text.Json;
using Edge.Runtime.Control;
using Edge.Runtime.Mqtt;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>What happens to a model in its canary phase when its stream faults or is reset.</summary>
public sealed class CanaryFaultTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _events = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_fault_of_the_stream_ends_the_canary_phase_and_the_model_can_be_offered_again()
    {
        var clock = new FakeTimeProvider();
        using var rig = new HostRig(clock, isLive: true, failAt: [40]);
        byte[] original = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        string path = _folder.File("climate.safetensors");
        File.WriteAllBytes(path, original);
        byte[] next = ModelVariant.Of(original, 1);
        var updates = new ModelUpdates(
            new ModelUpdateOptions { CanaryTicks = 60 },
            new Dictionary<string, string?> { ["climate"] = path },
            _ => rig.Host.Control,
            store: null,
            new ModelEvents(
                "house",
                Take,
                () => new MqttMessage { Topic = "edge/house/info", Payload = "{}"u8.ToArray(), Class = MessageClass.Event },
                clock,
                NullLogger.Instance));
        int over = 0;
        updates.Decided += _ => over++;

        Task<string> first = updates.OfferAsync("climate", next, null);
        Task<string>? second = null;
        await rig.RunAsync(clock, () =>
        {
            if (over == 1)
            {
                second ??= updates.OfferAsync("climate", next, null);
            }

            return over == 2;
        });

        Assert.Contains("runs beside", await first, StringComparison.Ordinal);
        Assert.Contains("runs beside", await second!, StringComparison.Ordinal);
        Assert.Equal(1, rig.Host.Restarts);
        Assert.Equal(
            ["trial", "refused The stream had a f", "trial", "taken"],
            _events.Select(each => each.StartsWith("refused", StringComparison.Ordinal) ? each[..26] : each.Split(' ')[0]));
        Assert.Equal(next, File.ReadAllBytes(path));
    }

    private void Take(MqttMessage message)
    {
        if (message.Topic.EndsWith("/model", StringComparison.Ordinal))
        {
            JsonElement said = JsonDocument.Parse(Encoding.UTF8.GetString(message.Payload.Span)).RootElement;
            _events.Add($"{said.GetProperty("event").GetString()} {said.GetProperty("message").GetString()}");
        }
    }
}
