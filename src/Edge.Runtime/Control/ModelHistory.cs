using Edge.Runtime.Delivery;

namespace Edge.Runtime.Control;

/// <summary>
/// Models that a stream has had, by the first digits of their SHA-256, so that only a rollback brings one back. Stored with the state.
/// </summary>
internal sealed class ModelHistory(StateStore? store)
{
    private const int Most = 64;
    private const int Digits = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<string>> _had = [];

    internal bool Has(string stream, string sha256)
    {
        lock (_gate)
        {
            return Of(stream).Contains(sha256[..Digits]);
        }
    }

    internal void Add(string stream, string sha256)
    {
        lock (_gate)
        {
            List<string> had = Of(stream);
            if (had.Contains(sha256[..Digits]))
            {
                return;
            }

            had.Add(sha256[..Digits]);
            _had[stream] = had = [.. had.TakeLast(Most)];
            store?.Remember(Key(stream), string.Join(' ', had));
        }
    }

    private List<string> Of(string stream)
    {
        if (!_had.TryGetValue(stream, out List<string>? had))
        {
            _had[stream] = had = store?.Recall(Key(stream))?.Split(' ').ToList() ?? [];
        }

        return had;
    }

    private static string Key(string stream) => $"models:{stream}";
}
