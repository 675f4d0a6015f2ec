using System.Net;
using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Web;
using Edge.Sensors.Simulated;

namespace Edge.Runtime.Commands;

/// <summary>What the demo runs: one stream of the simulated greenhouse whose sensors fail one after another.</summary>
internal static class DemoScenario
{
    internal const string Device = "greenhouse";
    internal const string Stream = "climate";

    private static readonly TimeSpan FirstFault = TimeSpan.FromSeconds(20);

    /// <summary>Time by which the first fault must have been found.</summary>
    internal static TimeSpan FaultKnownBy => FirstFault + TimeSpan.FromSeconds(5);

    /// <summary>The demo's password, which it shows: its page is open to this machine only.</summary>
    internal const string Password = "greenhouse";

    /// <param name="port">Port of the broker.</param>
    /// <param name="pagePort">Port of the page.</param>
    /// <param name="seed">Seed of the readings.</param>
    internal static EdgeConfig Configure(int port, int pagePort, int seed) => new()
    {
        Device = Device,
        Web = new WebOptions { Listen = new IPEndPoint(IPAddress.Loopback, pagePort), Password = Password },
        Mqtt = new MqttOptions { Host = "127.0.0.1", Port = port },
        Streams =
        [
            new StreamConfig
            {
                Name = Stream,
                Model = "demo",
                Source = new SimulatedOptions
                {
                    Seed = seed,
                    Faults =
                    [
                        new FaultOptions(FirstFault, TimeSpan.FromSeconds(4), FaultKind.Bias, "temperature", 3),
                        new FaultOptions(TimeSpan.FromSeconds(45), TimeSpan.FromSeconds(5), FaultKind.Noise, "co2", 0.2),
                        new FaultOptions(TimeSpan.FromSeconds(75), TimeSpan.FromSeconds(1), FaultKind.Spike, "light", 3),
                        new FaultOptions(TimeSpan.FromSeconds(100), TimeSpan.FromSeconds(4), FaultKind.Dropout, "humidity", null),
                    ],
                },
            },
        ],
    };
}
