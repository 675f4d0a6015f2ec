using System.Collections.Concurrent;
using System.Text;
using Edge.Inference;
using Edge.Runtime.Delivery;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Control;

/// <summary>
/// Watches a folder for new models: <c>STREAM.safetensors</c>, with <c>STREAM.safetensors.sig</c> if signatures are required.
/// A model is renamed to <c>.offered</c> while it is checked and to <c>.refused</c> if it is refused. A model in its canary phase,
/// also one that came over MQTT, is kept as <c>.trial</c>, so that a restart starts its canary phase again, unless a newer model is there
/// and is not refused.
/// </summary>
internal sealed class ModelInbox : IDisposable
{
    private const string Offered = ".offered";
    private const string Trial = ".trial";

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(30);

    // A file that does not change for this time is complete.
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(500);

    // How long a model waits for its signature.
    private static readonly TimeSpan SignatureWait = TimeSpan.FromSeconds(10);

    private readonly string _folder;
    private readonly ModelUpdates _updates;
    private readonly ILogger _log;
    private readonly FileSystemWatcher _watcher;
    private readonly SemaphoreSlim _changed = new(1);

    // Streams whose model of an earlier canary phase waits for the verdict on a newer one.
    private readonly ConcurrentDictionary<string, bool> _waiting = [];
    private readonly HashSet<string> _found = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;

    /// <exception cref="InputException">The folder cannot be created or watched.</exception>
    internal ModelInbox(string folder, ModelUpdates updates, ILogger log)
    {
        _folder = folder;
        _updates = updates;
        _log = log;
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string stream in updates.Names)
            {
                if (!File.Exists(PathOf(stream)))
                {
                    OfferAgain(stream, File.Exists(PathOf(stream) + Trial) ? Trial : Offered);
                }
                else if (File.Exists(PathOf(stream) + Trial))
                {
                    _waiting[stream] = true;
                }

                if (File.Exists(PathOf(stream)))
                {
                    _found.Add(stream);
                }
            }

            updates.Began = Keep;
            updates.Decided += Forget;
            _watcher = new FileSystemWatcher(folder)
            {
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite | NotifyFilters.Size,
            };
            _watcher.Created += (_, _) => Wake();
            _watcher.Changed += (_, _) => Wake();
            _watcher.Renamed += (_, _) => Wake();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"models.incoming '{folder}' cannot be used: {e.Message}", e);
        }

        _watching = Task.Run(WatchAsync);
    }

    /// <summary>Whether there was a model for a stream at the start, such as that of an interrupted canary phase.</summary>
    internal bool Found(string stream) => _found.Contains(stream);

    public void Dispose()
    {
        _stop.Cancel();
        _watcher.Dispose();
        _watching.Wait(TimeSpan.FromSeconds(2));
        _stop.Dispose();
        _changed.Dispose();
    }

    private void Wake()
    {
        try
        {
            if (_changed.CurrentCount == 0)
            {
                _changed.Release();
            }
        }
        catch (ObjectDisposedException)
        {
            // The service has stopped.
        }
    }

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                await _changed.WaitAsync(LookEvery, _stop.Token).ConfigureAwait(false);
                bool isUnsettled = true;
                while (isUnsettled)
                {
                    await Task.Delay(Settle, _stop.Token).ConfigureAwait(false);
                    isUnsettled = false;
                    foreach (string stream in _updates.Names)
                    {
                        isUnsettled |= !await LookAsync(stream).ConfigureAwait(false);
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The service has stopped.
        }
    }

    // False if a file is not complete yet.
    private async Task<bool> LookAsync(string stream)
    {
        string path = PathOf(stream);
        string signaturePath = SignatureOf(stream);
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                return true;
            }

            TimeSpan age = DateTime.UtcNow - file.LastWriteTimeUtc;
            if ((age >= TimeSpan.Zero && age < Settle) || (_updates.NeedsSignature && !File.Exists(signaturePath) && age < SignatureWait))
            {
                return false;
            }

            if (file.Length > ModelAssembly.ModelMaxBytes || file.LinkTarget is not null)
            {
                throw new InputException($"'{path}' is a link, or larger than {ModelAssembly.ModelMaxBytes} bytes.");
            }

            byte[] model = RegularFile.ReadBytes(path, ModelAssembly.ModelMaxBytes);
            string? signature = File.Exists(signaturePath) && new FileInfo(signaturePath).Length <= 4096
                ? RegularFile.ReadText(signaturePath, 1 << 16)
                : null;

            // Renamed first: a user who sees the result may copy the next model here at once.
            Rename(signaturePath, signaturePath + Offered);
            Rename(path, path + Offered);
            await _updates.OfferAsync(stream, model, signature).ConfigureAwait(false);
            File.Delete(signaturePath + Offered);
            File.Delete(path + Offered);
        }
        catch (InputException e)
        {
            _log.LogWarning("Refused model {Path} and renamed it to .refused: {Message}", path, e.Message);
            string refused = File.Exists(path + Offered) ? Offered : "";
            Rename(path + refused, path + ".refused");
            Rename(signaturePath + refused, signaturePath + ".refused");
            if (!File.Exists(path) && _waiting.TryRemove(stream, out _))
            {
                OfferAgain(stream, Trial);
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _log.LogError("Model {Path} cannot be read: {Message}", path, e.Message);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The watch must survive a bug.
            _log.LogError(e, "A bug in edge-runtime: model {Path} could not be checked", path);
        }

        return true;
    }

    private string PathOf(string stream) => Path.Combine(_folder, $"{stream}.safetensors");

    private string SignatureOf(string stream) => PathOf(stream) + ".sig";

    private void OfferAgain(string stream, string suffix)
    {
        Rename(SignatureOf(stream) + suffix, SignatureOf(stream));
        Rename(PathOf(stream) + suffix, PathOf(stream));
    }

    private void Keep(string stream, byte[] model, string? signature)
    {
        _waiting.TryRemove(stream, out _);
        try
        {
            if (signature is not null)
            {
                DurableFile.Write(SignatureOf(stream) + Trial, Encoding.UTF8.GetBytes(signature));
            }

            DurableFile.Write(PathOf(stream) + Trial, model);
        }
        catch (InputException e)
        {
            _log.LogWarning("The canary phase of stream '{Stream}' will not survive a restart: {Message}", stream, e.Message);
        }
    }

    private void Forget(string stream)
    {
        _waiting.TryRemove(stream, out _);
        try
        {
            File.Delete(PathOf(stream) + Trial);
            File.Delete(SignatureOf(stream) + Trial);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _log.LogError("{Path} cannot be removed: {Message}", PathOf(stream) + Trial, e.Message);
        }
    }

    private void Rename(string path, string to)
    {
        try
        {
            if (File.Exists(path))
            {
                File.Move(path, to, overwrite: true);
            }
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            _log.LogError("{Path} cannot be renamed: {Message}", path, e.Message);
        }
    }
}
