using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Engines.Int8;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Publishing;
using Edge.Runtime.Sensors;
using Edge.Runtime.Storage;
using Edge.Runtime.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Updates;

/// <summary>
/// New models without regret: one that is offered must carry the trusted key's signature and fit its stream; it then steps along beside the model
/// in use and takes over only if it is no worse. The old one is kept for a rollback. docs/operations.md.
/// </summary>
internal sealed class ModelUpdates
{
    // Models that a stream has had, by the first digits of their SHA-256: none comes back by itself.
    private const int HistoryMax = 64;

    private readonly ModelsConfig _config;
    private readonly string _device;
    private readonly IReadOnlyDictionary<string, StreamConfig> _streams;
    private readonly Func<string, StreamHost> _host;
    private readonly StateStore? _store;
    private readonly Action<MqttMessage> _publish;
    private readonly Func<MqttMessage> _info;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly ModelSignature? _trusted;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, byte[]> _offered = [];
    private readonly Dictionary<string, List<string>> _history = [];

    /// <param name="config">Where models come from and whom to trust.</param>
    /// <param name="device">The device's name.</param>
    /// <param name="streams">The streams by name.</param>
    /// <param name="host">Finds a stream's host.</param>
    /// <param name="store">Remembers which models there were, or null.</param>
    /// <param name="publish">Publishes an event.</param>
    /// <param name="info">Writes what runs here, which is said again whenever another model does.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What happens.</param>
    /// <exception cref="InputException">The key cannot be read.</exception>
    internal ModelUpdates(
        ModelsConfig config, string device, IReadOnlyDictionary<string, StreamConfig> streams, Func<string, StreamHost> host, StateStore? store, Action<MqttMessage> publish, Func<MqttMessage> info, TimeProvider clock, ILogger log)
    {
        _config = config;
        _device = device;
        _streams = streams;
        _host = host;
        _store = store;
        _publish = publish;
        _info = info;
        _clock = clock;
        _log = log;
        _trusted = config.TrustedKeyFile is { } file ? ReadKey(file) : null;
    }

    /// <summary>File names of the streams whose models can be replaced.</summary>
    internal IEnumerable<string> Names => _streams.Keys;

    /// <summary>Called with the stream, the model and its signature before its trial begins.</summary>
    internal Action<string, byte[], string?>? Began { get; set; }

    /// <summary>Called with the stream whenever a trial is over.</summary>
    internal Action<string>? Decided { get; set; }

    /// <summary>Whether a signature is asked for.</summary>
    internal bool NeedsSignature => _trusted is not null;

    /// <summary>Takes a new model on trial.</summary>
    /// <returns>A sentence that says what happens next.</returns>
    /// <exception cref="InputException">It is refused.</exception>
    internal async Task<string> OfferAsync(string stream, byte[] file, string? signature)
    {
        try
        {
            EdgeModel model = Check(stream, file, signature);
            lock (_gate)
            {
                if (!_offered.TryAdd(stream, file))
                {
                    throw new InputException("Another new model is on trial on this stream. Wait until that is over.");
                }
            }

            Began?.Invoke(stream, file, signature);
            try
            {
                await _host(stream).BetweenTicksAsync(running =>
                {
                    running.BeginShadow(new Int8Engine(model), _config.CanaryTicks, verdict => _ = Task.Run(() => FinishAsync(stream, verdict)));
                    return true;
                }).ConfigureAwait(false);
            }
            catch (Exception)
            {
                Withdraw(stream);
                throw;
            }

            string said = $"Model {model.Sha256[..6]} runs beside {_host(stream).Stream.Engine.ModelSha256[..6]} for {_config.CanaryTicks} ticks and takes over if its error is no larger than chance allows.";
            Say(stream, "trial", model.Sha256, null, said);
            return said;
        }
        catch (InputException e)
        {
            Say(stream, "refused", Convert.ToHexStringLower(SHA256.HashData(file)), null, e.Message);
            throw;
        }
    }

    /// <summary>Puts the model before this one back.</summary>
    /// <returns>A sentence that says what was done.</returns>
    /// <exception cref="InputException">There is none.</exception>
    internal async Task<string> RollBackAsync(string stream)
    {
        string path = ModelPath(stream);
        string previous = Previous(path);
        if (!File.Exists(previous))
        {
            throw new InputException($"Stream '{stream}' has had no model before this one.");
        }

        byte[] file = await File.ReadAllBytesAsync(previous).ConfigureAwait(false);
        EdgeModel model = Parse(file);
        await _host(stream).ReplaceAsync(running =>
        {
            byte[] current = File.ReadAllBytes(path);
            DurableFile.Write(path, file);
            DurableFile.Write(previous, current);
            return running.WithEngine(new Int8Engine(model), null);
        }).ConfigureAwait(false);
        Withdraw(stream);
        Decided?.Invoke(stream);
        string said = $"Model {model.Sha256[..6]} is back; its state begins anew.";
        Say(stream, "rolled_back", model.Sha256, null, said);
        return said;
    }

    // The trial is over: the file first, then the stream, both between two ticks.
    private async Task FinishAsync(string stream, ShadowVerdict verdict)
    {
        byte[]? file = Withdraw(stream);
        if (file is null)
        {
            return;
        }

        string sha256 = Convert.ToHexStringLower(SHA256.HashData(file));
        string figures = string.Create(CultureInfo.InvariantCulture, $"over {verdict.Ticks} ticks its error was {verdict.ErrorRatio:G4} times the old one's (give or take {verdict.Noise:G2})");
        try
        {
            string path = ModelPath(stream);
            await _host(stream).ReplaceAsync(running =>
            {
                Remember(stream, running.Engine.ModelSha256);
                Remember(stream, sha256);
                if (!verdict.IsNoWorse)
                {
                    running.EndShadow()?.Dispose();
                    return running;
                }

                DurableFile.Write(Previous(path), File.ReadAllBytes(path));
                DurableFile.Write(path, file);
                return running.EndShadow() is { } shadow ? running.WithEngine(shadow.Engine, shadow.Forecaster) : running;
            }).ConfigureAwait(false);
            Say(stream, verdict.IsNoWorse ? "taken" : "refused", sha256, verdict.ErrorRatio, verdict.IsNoWorse ? $"It takes over: {figures}." : $"It is dropped: {figures}.");
        }
        catch (InputException e)
        {
            Say(stream, "refused", sha256, verdict.ErrorRatio, e.Message);
        }
        finally
        {
            Decided?.Invoke(stream);
        }
    }

    private EdgeModel Check(string stream, byte[] file, string? signature)
    {
        string path = ModelPath(stream);
        if (file.Length > ModelAssembly.ModelMaxBytes)
        {
            throw new InputException($"The model has {file.Length} bytes; {ModelAssembly.ModelMaxBytes} is the limit.");
        }

        if (_trusted is not null && (signature is null || !_trusted.Verifies(file, signature)))
        {
            throw new InputException(signature is null
                ? "The model carries no signature, and edge.yaml names a trusted key. Sign it: edge-quantize sign."
                : "The signature is not the trusted key's over this file: it was changed after signing, or another key signed it.");
        }

        EdgeModel model = Parse(file);
        ModelManifest current = _host(stream).Stream.Engine.Manifest;
        if (!Shadow.Fits(current, model.Manifest))
        {
            throw new InputException($"The model '{model.Manifest.Name}' does not fit stream '{stream}': name, columns, units, outputs and period must be those of the model in use.");
        }

        if (model.Sha256 == _host(stream).Stream.Engine.ModelSha256 || Remembered(stream).Contains(model.Sha256[..16]))
        {
            throw new InputException($"Model {model.Sha256[..6]} is in use or was once. An old model comes back by rollback only.");
        }

        using FileStream writable = OpenForWrite(path);
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The stream's model file cannot be replaced: {e.Message}", e);
        }
    }

    // The file that edge.yaml names is the one in use; a new model takes its place.
    private string ModelPath(string stream) => _streams[stream] is { Engine: EngineKind.Int8, Forecast.Horizon: 1, Model: not "demo" } config
        ? config.Model
        : throw new InputException($"The model of stream '{stream}' cannot be replaced: it must be a file of edge-quantize, without forecast.horizon.");

    private static string Previous(string path) => path + ".previous";

    private byte[]? Withdraw(string stream)
    {
        lock (_gate)
        {
            return _offered.Remove(stream, out byte[]? file) ? file : null;
        }
    }

    private List<string> Remembered(string stream)
    {
        lock (_gate)
        {
            if (!_history.TryGetValue(stream, out List<string>? had))
            {
                _history[stream] = had = _store?.Recall($"models:{stream}")?.Split(' ').ToList() ?? [];
            }

            return [.. had];
        }
    }

    private void Remember(string stream, string sha256)
    {
        List<string> had = Remembered(stream);
        if (!had.Contains(sha256[..16]))
        {
            had = [.. had.Append(sha256[..16]).TakeLast(HistoryMax)];
            lock (_gate)
            {
                _history[stream] = had;
            }

            _store?.Remember($"models:{stream}", string.Join(' ', had));
        }
    }

    private static ModelSignature ReadKey(string file)
    {
        try
        {
            return ModelSignature.FromPublicKey(File.ReadAllText(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ModelFormatException)
        {
            throw new InputException($"models.trusted_key '{file}': {e.Message}", e);
        }
    }

    private void Say(string stream, string change, string sha256, double? ratio, string message)
    {
        _log.Log(change == "refused" ? LogLevel.Warning : LogLevel.Information, "{Stream}: model {Model} {Change}: {Message}", stream, sha256[..6], change, message);
        using var payload = new MemoryStream();
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            json.WriteString("device", _device);
            json.WriteString("stream", stream);
            json.WriteString("time", _clock.GetUtcNow().UtcDateTime.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
            json.WriteString("event", change);
            json.WriteString("model_sha256", sha256);
            if (ratio is { } value && double.IsFinite(value))
            {
                json.WriteNumber("error_ratio", Math.Round(value, 6));
            }

            json.WriteString("message", message);
            json.WriteEndObject();
        }

        _publish(new MqttMessage { Topic = Topics.Model(_device, stream), Payload = payload.ToArray(), Class = MessageClass.Event, ContentType = "application/json" });
        if (change is "taken" or "rolled_back")
        {
            _publish(_info());
        }
    }
}
