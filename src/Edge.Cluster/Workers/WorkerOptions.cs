namespace Edge.Cluster.Workers;

/// <summary>How much a worker takes on.</summary>
internal sealed record WorkerOptions
{
    internal const int BatchMin = 1;
    internal const int BatchMax = 10_000;
    internal const int StreamsMin = 100;
    internal const int StreamsMax = 10_000_000;

    /// <summary>Shortest and longest <see cref="Idle"/>.</summary>
    internal static (TimeSpan Min, TimeSpan Max) IdleRange { get; } = (TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));

    /// <summary>Most rows of a batch, <see cref="BatchMin"/>..<see cref="BatchMax"/>.</summary>
    public int Batch { get; init; } = 500;

    /// <summary>Most streams in memory, <see cref="StreamsMin"/>..<see cref="StreamsMax"/>.</summary>
    public int Streams { get; init; } = 20_000;

    /// <summary>Time without a row after which a stream leaves memory.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(5);
}
