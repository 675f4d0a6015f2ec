using System.Globalization;
using Edge.Inference;
using Edge.Runtime.Delivery;

namespace Edge.Runtime.Control;

/// <summary>Executes the commands that arrive over MQTT, each between two ticks of its stream.</summary>
/// <param name="streams">The streams.</param>
/// <param name="store">The stored state, or null.</param>
/// <param name="updates">Updates models, or null.</param>
/// <param name="reload">Reads edge.yaml again and returns the action that applies it; null if it cannot be read again here.</param>
/// <param name="clock">Time.</param>
internal sealed class ServiceCommands(
    IReadOnlyList<StreamControl> streams,
    StateStore? store,
    ModelUpdates? updates,
    Func<Action>? reload,
    TimeProvider clock)
{
    private readonly ModelAssembly _assembly = new(clock);

    /// <summary>Whether new models are accepted.</summary>
    internal bool TakesModels => updates is { TakesModels: true };

    /// <summary>Whether they must be signed.</summary>
    internal bool NeedsSignature => updates is { NeedsSignature: true };

    private ModelUpdates Updates => updates ?? throw new InputException("New models are not accepted: edge.yaml has no 'models'.");

    /// <exception cref="InputException">It cannot be done; the sentence says why.</exception>
    internal Task<CommandResult> ExecuteAsync(CommandRequest request) => request.Name switch
    {
        CommandName.Reset => ResetAsync(request),
        CommandName.Silence => SilenceAsync(request),
        CommandName.Sensitivity => SetSensitivityAsync(request),
        CommandName.Snapshot => Task.FromResult(Snapshot()),
        CommandName.Update => UpdateAsync(request.Part!),
        CommandName.Rollback => RollBackAsync(request),
        CommandName.Accept => AcceptAsync(request),
        CommandName.Label => Task.FromResult(Label(request)),
        _ => Task.FromResult(Reload()),
    };

    /// <summary>Offers a whole model to a stream, as <c>update</c> does in parts.</summary>
    /// <exception cref="InputException">It is refused.</exception>
    internal Task<string> OfferAsync(string stream, byte[] model, string? signature) => Updates.OfferAsync(stream, model, signature);

    private StreamControl Control(CommandRequest request) => streams.First(control => control.Stream.Name == request.Stream);

    private async Task<CommandResult> ResetAsync(CommandRequest request) =>
        new($"State of stream '{request.Stream}' reset after tick {await Control(request).ResetAsync().ConfigureAwait(false)}.");

    private async Task<CommandResult> SilenceAsync(CommandRequest request)
    {
        bool wasOpen = await Control(request).BetweenTicksAsync(stream =>
        {
            bool isOpen = stream.IsAnomalyOpen;
            stream.Silence(request.Time);
            return isOpen;
        }).ConfigureAwait(false);
        return new(
            $"Stream '{request.Stream}' {(wasOpen ? "closed its anomaly and " : "")}opens no anomaly until "
                + $"{clock.GetUtcNow() + request.Time:yyyy-MM-dd'T'HH:mm:ss'Z'}.");
    }

    private async Task<CommandResult> AcceptAsync(CommandRequest request)
    {
        bool isOpen = await Control(request).BetweenTicksAsync(stream =>
        {
            stream.Accept();
            return stream.IsAnomalyOpen;
        }).ConfigureAwait(false);
        return isOpen
            ? new($"Stream '{request.Stream}' takes what its anomaly shows for normal from the next tick on.")
            : throw new InputException($"Stream '{request.Stream}' has no open anomaly.");
    }

    private async Task<CommandResult> SetSensitivityAsync(CommandRequest request)
    {
        await Control(request).BetweenTicksAsync(stream =>
        {
            stream.SetSensitivity(request.FalseAlarmsAWeek);
            return true;
        }).ConfigureAwait(false);
        return new(
            string.Create(
                CultureInfo.InvariantCulture,
                $"Sensitivity of '{request.Stream}' set to {request.FalseAlarmsAWeek} false alarms per week until restart."));
    }

    private CommandResult Snapshot()
    {
        (store ?? throw new InputException("There is no stored state: edge.yaml has no 'state'.")).Force();
        return new($"On disk: {string.Join(", ", streams.Select(control => $"{control.Stream.Name} up to tick {control.Stream.Seq}"))}.");
    }

    private CommandResult Label(CommandRequest request)
    {
        HistoryFile history = (store ?? throw new InputException("There are no stored rows to label: edge.yaml has no 'state'.")).History;
        return new($"Label {history.AddLabel(request.Stream, request.From, request.To, request.Text)} of '{request.Stream}' is kept.");
    }

    private async Task<CommandResult> UpdateAsync(ModelPart part)
    {
        ModelUpdates target = Updates;
        return new(_assembly.Add(part) is var (model, signature)
            ? await target.OfferAsync(part.Stream, model, signature).ConfigureAwait(false)
            : $"Part {part.Part} of {part.Parts} received.");
    }

    private async Task<CommandResult> RollBackAsync(CommandRequest request) =>
        new(await Updates.RollBackAsync(request.Stream).ConfigureAwait(false));

    // Applied after the answer is queued, because it stops this instance of the service.
    private CommandResult Reload() =>
        new(
            "The configuration was read again and is being applied.",
            (reload ?? throw new InputException("edge.yaml cannot be read again here."))());
}
