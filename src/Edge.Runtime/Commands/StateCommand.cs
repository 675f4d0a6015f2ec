using System.CommandLine;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Payloads;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>state show|reset</c>: what is remembered, and forgetting it.</summary>
internal static class StateCommand
{
    internal static Command Create(TextWriter output)
    {
        Option<string> config = RunCommand.ConfigOption();
        var show = new Command("show", "Says what is remembered: each stream's last tick and the size of its state, and what waits for the broker.") { config };
        show.SetAction(parsed =>
        {
            using StateStore store = Open(parsed.GetRequiredValue(config));
            output.WriteLine($"{store.Path}: {store.OutboxCount} messages of {store.OutboxBytes} bytes wait for the broker");
            foreach (string name in store.Streams())
            {
                SavedStream stream = store.Load(name)!;
                output.WriteLine($"  {name}: tick {stream.Seq}, {stream.Snapshot.Length} bytes of state, source {(stream.Source.Length > 0 ? stream.Source : "none")}");
            }

            return ExitCodes.Done;
        });

        Option<string> again = RunCommand.ConfigOption();
        var only = new Option<string?>("--stream") { Description = "Only this stream; all where it is absent." };
        var reset = new Command("reset", "Forgets streams' states: they begin anew, but with no number used twice. What waits for the broker stays.") { again, only };
        reset.SetAction(parsed =>
        {
            using StateStore store = Open(parsed.GetRequiredValue(again));
            List<string> names = store.Streams();
            string? wanted = parsed.GetValue(only);
            if (wanted is not null && !names.Contains(wanted))
            {
                throw new InputException($"No stream '{wanted}' is remembered; {(names.Count == 0 ? "none is" : string.Join(", ", names))}.");
            }

            foreach (string name in names.Where(name => wanted is null || name == wanted))
            {
                store.Reset(name);
                output.WriteLine($"{name}: forgotten");
            }

            return ExitCodes.Done;
        });
        return new Command("state", "Shows or forgets what is remembered. Stop the service first.") { show, reset };
    }

    private static StateStore Open(string path)
    {
        EdgeConfig edge = ConfigFile.Load(path);
        if (edge.StateFolder is null)
        {
            throw new InputException($"'{path}' has no 'state': nothing outlives the process. Add state: with a folder to keep it in.");
        }

        if (!File.Exists(Path.Combine(edge.StateFolder, "edge.db")))
        {
            throw new InputException($"'{edge.StateFolder}' holds no state yet; the service writes it when it runs.");
        }

        using ILoggerFactory logs = ServiceLog.Create();
        return StateStore.Open(edge.StateFolder, edge.Durability, edge.Outbox.AgeMax, TimeProvider.System, InfoMessage.BootId(), logs.CreateLogger("edge"));
    }
}
