namespace Edge.Testing;

/// <summary>Words that only this project used, each with the word of the field. Neither docs nor source texts may use them.</summary>
internal static class PrivateWords
{
    /// <summary>Pattern of each word, to be matched between word boundaries, and what to write instead.</summary>
    internal static (string Word, string Instead)[] All { get; } =
    [
        ("puts? up with", "accepts, allows"),
        ("anew", "again, or reset"),
        ("given up", "evicted (size), expired (age) or closed"),
        ("gives? up", "evict, expire, close, stop"),
        ("nobody", "no client, no one"),
        ("whoever", "who, or the role"),
        ("the card", "the disk"),
        ("forced (to|write)", "fsync, flushed to disk"),
        ("who waits?", "the waiting producer"),
        ("waited for", "waits for"),
        ("said once", "logged once"),
        ("on trial", "canary"),
        ("goodbye", "publishes offline"),
        ("is taken is one sentence", "is in use"),
        ("what is on its way", "in-flight messages"),
        ("are on their way", "in flight"),
        ("(is|are) there to say", "decides"),
        ("news", "new, unknown"),
        ("the very (same|bytes|rows)", "exactly the"),
    ];
}
