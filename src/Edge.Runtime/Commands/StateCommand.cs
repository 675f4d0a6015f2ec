using System.CommandLine;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Payloads;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>state show|reset</c>: shows or resets the stored state.</summary>
internal static class StateCommand
{
    internal static Command Create(TextWriter output)
    {
        Option<string> config = RunCommand.ConfigOption();
        var show = new Command(
            "show",
            "Shows the last tick and the size of the state of each stream, and the messages that wait for the broker.")
        {
            config,
        };
        show.SetAction(parsed =>
        {
            using StateStore store = Open(parsed.GetRequiredValue(config));
            output.WriteLine($"{store.Path}: {Quantity.Of(store.OutboxCount, "message")} of {Quantity.Of(store.OutboxBytes, "byte")} "
                + $"{(store.OutboxCount == 1 ? "waits" : "wait")} for the broker");
            foreach (string name in store.Streams())
            {
                SavedStream stream = store.Load(name)!;
                output.WriteLine(
                    $"  {name}: tick {stream.Seq}, {stream.Snapshot.Length} bytes of state, source "
                        + $"{(stream.Source.Length > 0 ? stream.Source : "none")}");
            }

            return ExitCodes.Done;
        });

        Option<string> again = RunCommand.ConfigOption();
        var only = new Option<string?>("--stream") { Description = "Name of the stream. Default: all streams." };
        var reset = new Command(
            "reset",
            "Resets the state of streams. Their numbers (seq) continue. Messages that wait for the broker are kept.")
        {
            again,
            only,
        };
        reset.SetAction(parsed =>
        {
            using StateStore store = Open(parsed.GetRequiredValue(again));
            List<string> names = store.Streams();
            string? wanted = parsed.GetValue(only);
            if (wanted is not null && !names.Contains(wanted))
            {
                throw new InputException(
                    $"There is no state of a stream '{wanted}'"
                        + (names.Count == 0 ? ", or of any other stream." : $". There is state of: {string.Join(", ", names)}."));
            }

            foreach (string name in names.Where(name => wanted is null || name == wanted))
            {
                store.Reset(name);
                output.WriteLine($"{name}: forgotten");
            }

            return ExitCodes.Done;
        });
        return new Command("state", "Shows or resets the stored state. Stop the service first.") { show, reset };
    }

    private static StateStore Open(string path)
    {
        EdgeConfig edge = ConfigFile.Load(path);
        if (edge.StateFolder is null)
        {
            throw new InputException($"'{path}' has no 'state', so no state is stored. Add 'state' with the folder for it.");
        }

        if (!File.Exists(Path.Combine(edge.StateFolder, StateStore.FileName)))
        {
            throw new InputException($"'{edge.StateFolder}' has no state yet. The service writes it when it runs.");
        }

        using ILoggerFactory logs = ServiceLog.Create();
        return StateStore.Open(
            edge.StateFolder,
            edge.Durability,
            edge.Outbox.AgeMax,
            TimeProvider.System,
            InfoMessage.BootId(),
            logs.CreateLogger("edge"));
    }
}
