using System.Globalization;
using Edge.Inference;
using Edge.Runtime.Delivery;

namespace Edge.Runtime.Control;

/// <summary>Does what is asked for over MQTT, each between two ticks of the stream it concerns.</summary>
/// <param name="streams">The streams.</param>
/// <param name="store">What is remembered, or null.</param>
/// <param name="updates">Takes new models, or null.</param>
/// <param name="reload">Reads edge.yaml again and gives what takes it over, or null where nobody can.</param>
/// <param name="clock">Time.</param>
internal sealed class ServiceCommands(IReadOnlyList<StreamControl> streams, StateStore? store, ModelUpdates? updates, Func<Action>? reload, TimeProvider clock)
{
    private readonly ModelAssembly _assembly = new(clock);

    private ModelUpdates Updates => updates ?? throw new InputException("No new models are taken: edge.yaml has no 'models'.");

    /// <exception cref="InputException">It cannot be done; the sentence says why.</exception>
    internal Task<CommandResult> ExecuteAsync(CommandRequest request) => request.Name switch
    {
        CommandName.Reset => ResetAsync(request),
        CommandName.Silence => SilenceAsync(request),
        CommandName.Sensitivity => SetSensitivityAsync(request),
        CommandName.Snapshot => Task.FromResult(Snapshot()),
        CommandName.Update => UpdateAsync(request.Part!),
        CommandName.Rollback => RollBackAsync(request),
        _ => Task.FromResult(Reload()),
    };

    private StreamControl Control(CommandRequest request) => streams.First(control => control.Stream.Name == request.Stream);

    private async Task<CommandResult> ResetAsync(CommandRequest request) =>
        new($"Stream '{request.Stream}' begins anew after tick {await Control(request).ResetAsync().ConfigureAwait(false)}.");

    private async Task<CommandResult> SilenceAsync(CommandRequest request)
    {
        bool wasOpen = await Control(request).BetweenTicksAsync(stream =>
        {
            bool isOpen = stream.IsAnomalyOpen;
            stream.Silence(request.Time);
            return isOpen;
        }).ConfigureAwait(false);
        return new($"Stream '{request.Stream}' {(wasOpen ? "closes its anomaly and " : "")}opens none until {clock.GetUtcNow() + request.Time:yyyy-MM-dd'T'HH:mm:ss'Z'}.");
    }

    private async Task<CommandResult> SetSensitivityAsync(CommandRequest request)
    {
        await Control(request).BetweenTicksAsync(stream =>
        {
            stream.SetSensitivity(request.FalseAlarmsAWeek);
            return true;
        }).ConfigureAwait(false);
        return new(string.Create(CultureInfo.InvariantCulture, $"Stream '{request.Stream}' puts up with {request.FalseAlarmsAWeek} false alarms a week until the next start."));
    }

    private CommandResult Snapshot()
    {
        (store ?? throw new InputException("Nothing is kept: edge.yaml names no 'state' folder.")).Force();
        return new($"On the card: {string.Join(", ", streams.Select(control => $"{control.Stream.Name} up to tick {control.Stream.Seq}"))}.");
    }

    private async Task<CommandResult> UpdateAsync(ModelPart part)
    {
        ModelUpdates target = Updates;
        return new(_assembly.Add(part) is var (model, signature)
            ? await target.OfferAsync(part.Stream, model, signature).ConfigureAwait(false)
            : $"Part {part.Part} of {part.Parts} is there.");
    }

    private async Task<CommandResult> RollBackAsync(CommandRequest request) => new(await Updates.RollBackAsync(request.Stream).ConfigureAwait(false));

    // Taken over once the answer is on its way: it stops this very service.
    private CommandResult Reload() => new("The configuration is read again and taken over.", (reload ?? throw new InputException("edge.yaml cannot be read again here."))());
}
