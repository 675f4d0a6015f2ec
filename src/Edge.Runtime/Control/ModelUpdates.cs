using System.Globalization;
using System.Security.Cryptography;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Control;

/// <summary>
/// Updates models safely. A new model must be signed by the trusted key and fit its stream. In its canary phase it then steps
/// beside the model in use, and replaces it only if it is no worse. The old model is kept for a rollback. A model that was learned here
/// needs no signature. docs/operations.md.
/// </summary>
internal sealed class ModelUpdates
{
    private readonly ModelUpdateOptions? _config;
    private readonly IReadOnlyDictionary<string, string?> _models;
    private readonly Func<string, StreamControl> _control;
    private readonly ModelHistory _history;
    private readonly ModelEvents _events;
    private readonly ModelSignature? _trusted;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (byte[] File, int Ticks)> _offered = [];

    /// <param name="config">Where models come from and which key must sign them; null if none are taken from outside.</param>
    /// <param name="models">The model file of each stream, by the name of the stream; null if it cannot be replaced.</param>
    /// <param name="control">Finds a stream.</param>
    /// <param name="store">Stores which models a stream has had, or null.</param>
    /// <param name="events">Reports what happens.</param>
    /// <exception cref="InputException">The key cannot be read.</exception>
    internal ModelUpdates(
        ModelUpdateOptions? config,
        IReadOnlyDictionary<string, string?> models,
        Func<string, StreamControl> control,
        StateStore? store,
        ModelEvents events)
    {
        _config = config;
        _models = models;
        _control = control;
        _history = new ModelHistory(store);
        _events = events;
        _trusted = config?.TrustedKeyFile is { } file ? ReadKey(file) : null;
        foreach (string stream in models.Keys)
        {
            control(stream).Reopened = GoOn;
        }
    }

    /// <summary>File names of the streams whose models can be replaced.</summary>
    internal IEnumerable<string> Names => _models.Keys;

    /// <summary>Called with the stream, the model and its signature before the canary phase of a model from outside starts.</summary>
    internal Action<string, byte[], string?>? Began { get; set; }

    /// <summary>Called with the stream whenever a canary phase ends.</summary>
    internal event Action<string>? Decided;

    /// <summary>Whether a stream has a new model in its canary phase.</summary>
    internal bool IsOnTrial(string stream)
    {
        lock (_gate)
        {
            return _offered.ContainsKey(stream);
        }
    }

    /// <summary>Whether models are taken from outside.</summary>
    internal bool TakesModels => _config is not null;

    /// <summary>Whether a signature is required.</summary>
    internal bool NeedsSignature => _trusted is not null;

    /// <summary>Checks a new model and starts its canary phase.</summary>
    /// <returns>A sentence that says what happens next.</returns>
    /// <exception cref="InputException">It is refused.</exception>
    internal Task<string> OfferAsync(string stream, byte[] file, string? signature) => TryAsync(
        stream,
        file,
        () =>
        {
            RequireOrigin(file, signature);
            EdgeModel model = Check(stream, file);
            return (model, _config!.CanaryTicks ?? ModelUpdateOptions.CanaryTicksDefault);
        },
        () => Began?.Invoke(stream, file, signature));

    /// <summary>The same for a model that was learned on this device.</summary>
    /// <param name="stream">The stream that it was learned from.</param>
    /// <param name="file">The model.</param>
    /// <param name="ticks">Length of the canary phase, in ticks.</param>
    /// <exception cref="InputException">It is refused.</exception>
    internal Task<string> OfferLearnedAsync(string stream, byte[] file, int ticks) =>
        TryAsync(stream, file, () => (Check(stream, file), ticks), () => { });

    private async Task<string> TryAsync(string stream, byte[] file, Func<(EdgeModel Model, int Ticks)> check, Action began)
    {
        try
        {
            (EdgeModel model, int ticks) = check();
            lock (_gate)
            {
                if (!_offered.TryAdd(stream, (file, ticks)))
                {
                    throw new InputException("Another new model is in its canary phase on this stream. Wait until it ends.");
                }
            }

            began();
            long compared;
            try
            {
                compared = await _control(stream).BetweenTicksAsync(running =>
                {
                    Begin(running, model, ticks);
                    return running.CanaryTicks;
                }).ConfigureAwait(false);
            }
            catch (Exception)
            {
                Withdraw(stream);
                throw;
            }

            IInferenceEngine inUse = _control(stream).Stream.Engine;
            string howLong = Quantity.Of(ticks, "tick") + (compared > 0 ? $", of which {Math.Min(compared, ticks)} are over" : "");
            string said = inUse.Manifest.IsTrained
                ? $"Model {model.Sha256[..6]} runs beside {inUse.ModelSha256[..6]} for {howLong}. "
                    + "It replaces it if its error is not significantly larger."
                : $"Model {model.Sha256[..6]}, the first of this stream, is tried for {howLong}. "
                    + "It is taken if its error is not significantly larger than that of persistence.";
            _events.Say(stream, "trial", model.Sha256, null, said);
            return said;
        }
        catch (InputException e)
        {
            _events.Say(stream, "refused", Convert.ToHexStringLower(SHA256.HashData(file)), null, e.Message);
            throw;
        }
    }

    /// <summary>Restores the previous model.</summary>
    /// <returns>A sentence that says what was done.</returns>
    /// <exception cref="InputException">There is none.</exception>
    internal async Task<string> RollBackAsync(string stream)
    {
        string path = ModelPath(stream);
        string previous = Previous(path);
        if (!File.Exists(previous))
        {
            throw new InputException($"Stream '{stream}' has no previous model.");
        }

        byte[] file = await File.ReadAllBytesAsync(previous).ConfigureAwait(false);
        EdgeModel model = Parse(file);
        await _control(stream).ReplaceAsync(running =>
        {
            byte[] current = File.ReadAllBytes(path);
            DurableFile.Write(path, file);
            DurableFile.Write(previous, current);
            return running.WithEngine(new Int8Engine(model));
        }).ConfigureAwait(false);
        Withdraw(stream);
        Decided?.Invoke(stream);
        string said = $"Model {model.Sha256[..6]} is in use again. Its state is reset.";
        _events.Say(stream, "rolled_back", model.Sha256, null, said);
        return said;
    }

    private void Begin(SensorStream running, EdgeModel model, int ticks) =>
        _control(running.Name).BeginCanary(
            running, new Int8Engine(model), ticks, verdict => _ = Task.Run(() => FinishAsync(running.Name, verdict)));

    // A stream that was opened again has no canary. After a reset the canary phase starts again; a fault of the stream ends it.
    private void GoOn(SensorStream running, bool isAfterFault)
    {
        byte[]? file;
        int ticks;
        lock (_gate)
        {
            (file, ticks) = _offered.GetValueOrDefault(running.Name);
        }

        if (file is null)
        {
            return;
        }

        if (!isAfterFault)
        {
            Begin(running, EdgeModel.Parse(file), ticks);
            return;
        }

        running.ForgetCanary();
        Withdraw(running.Name);
        Decided?.Invoke(running.Name);
        _events.Say(
            running.Name,
            "refused",
            Convert.ToHexStringLower(SHA256.HashData(file)),
            null,
            "The stream had a fault during the canary phase. Offer the model again once the stream runs well.");
    }

    // The canary phase is over: replace the file first, then the model of the stream, both between two ticks.
    private async Task FinishAsync(string stream, CanaryVerdict verdict)
    {
        byte[]? file = Withdraw(stream);
        if (file is null)
        {
            return;
        }

        string sha256 = Convert.ToHexStringLower(SHA256.HashData(file));
        string other = _control(stream).Stream.Engine.Manifest.IsTrained ? "the old model" : "persistence";
        string figures = $"over {Quantity.Of(verdict.Ticks, "tick")} its error was " + (verdict.ErrorRatio == 1
            ? $"that of {other}"
            : string.Create(
                CultureInfo.InvariantCulture, $"{verdict.ErrorRatio:G4} times that of {other}, give or take {verdict.Noise:G2}"));
        (string change, string said) = verdict.IsNoWorse
            ? ("taken", $"The new model is in use: {figures}.")
            : ("refused", $"The new model is dropped: {figures}.");
        try
        {
            await _control(stream)
                .ReplaceAsync(running => verdict.IsNoWorse ? TakeOver(running, file) : Drop(running, sha256)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            (change, said) = ("refused", e is InputException ? e.Message : $"The new model could not replace the old one: {e.Message}");
        }

        // A client that reads the result may offer the next model at once.
        Decided?.Invoke(stream);
        _events.Say(stream, change, sha256, verdict.ErrorRatio, said);
    }

    private SensorStream TakeOver(SensorStream running, byte[] file)
    {
        CanaryModel? canary = running.EndCanary();
        try
        {
            string path = ModelPath(running.Name);
            EdgeModel model = Parse(file);
            if (File.Exists(path))
            {
                DurableFile.Write(Previous(path), File.ReadAllBytes(path));
                _history.Add(running.Name, running.Engine.ModelSha256);
            }

            DurableFile.Write(path, file);
            _history.Add(running.Name, model.Sha256);

            // Without the canary, which a reset may have removed, the state is reset.
            return running.WithEngine(canary?.Engine ?? new Int8Engine(model), canary);
        }
        catch (Exception)
        {
            canary?.Dispose();
            throw;
        }
    }

    private SensorStream Drop(SensorStream running, string sha256)
    {
        running.EndCanary()?.Dispose();
        _history.Add(running.Name, sha256);
        return running;
    }

    private void RequireOrigin(byte[] file, string? signature)
    {
        if (!TakesModels)
        {
            throw new InputException("New models are not accepted: edge.yaml has no 'models'.");
        }

        if (_trusted is not null && (signature is null || !_trusted.Verifies(file, signature)))
        {
            throw new InputException(signature is null
                ? "The model has no signature, but edge.yaml names a trusted key. Sign the model with edge-quantize sign."
                : "The signature does not verify with the trusted key. The file was changed after signing, or another key signed it.");
        }
    }

    private EdgeModel Check(string stream, byte[] file)
    {
        string path = ModelPath(stream);
        if (file.Length > ModelAssembly.ModelMaxBytes)
        {
            throw new InputException($"The model has {file.Length} bytes; {ModelAssembly.ModelMaxBytes} is the limit.");
        }

        EdgeModel model = Parse(file);
        ModelManifest current = _control(stream).Stream.Engine.Manifest;
        if (!CanaryModel.Fits(current, model.Manifest))
        {
            throw new InputException(
                $"The model '{model.Manifest.Name}' does not fit stream '{stream}'. "
                    + $"Name, columns, units, symbols, outputs and period must equal those of the model in use.");
        }

        if (model.Sha256 == _control(stream).Stream.Engine.ModelSha256 || _history.Has(stream, model.Sha256))
        {
            throw new InputException(
                $"Model {model.Sha256[..6]} is or was in use on this stream. Use the command rollback to restore an old model.");
        }

        if (File.Exists(path))
        {
            using FileStream writable = OpenForWrite(path);
        }

        return model;
    }

    private static EdgeModel Parse(byte[] file)
    {
        try
        {
            return EdgeModel.Parse(file);
        }
        catch (ModelFormatException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private static FileStream OpenForWrite(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"The model file of the stream cannot be replaced: {e.Message}", e);
        }
    }

    // edge.yaml names the file in use; a new model replaces this file.
    private string ModelPath(string stream) => _models[stream]
        ?? throw new InputException(
            $"The model of stream '{stream}' cannot be replaced: it must be a file of edge-quantize, without forecast.horizon.");

    private static string Previous(string path) => path + ".previous";

    private byte[]? Withdraw(string stream)
    {
        lock (_gate)
        {
            return _offered.Remove(stream, out (byte[] File, int Ticks) offered) ? offered.File : null;
        }
    }

    private static ModelSignature ReadKey(string file)
    {
        try
        {
            return ModelSignature.FromPublicKey(RegularFile.ReadText(file, 1 << 16));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ModelFormatException)
        {
            throw new InputException($"models.trusted_key '{file}': {e.Message}", e);
        }
    }
}
