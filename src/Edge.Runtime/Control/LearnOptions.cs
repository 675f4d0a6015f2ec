using System.Globalization;
using Edge.Inference;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Control;

/// <summary>How the processor is shared with training.</summary>
internal enum TrainingPriority
{
    /// <summary>It gets what no other process wants (nice 19): on a busy machine, very little.</summary>
    Lowest,

    /// <summary>A tenth of what others get (nice 10).</summary>
    Low,

    /// <summary>As much as any other process.</summary>
    Normal,
}

/// <summary>What a stream learns.</summary>
internal enum LearnedPart
{
    /// <summary>A new model.</summary>
    Model,

    /// <summary>What is normal for the detector; the weights of the model stay.</summary>
    Profile,
}

/// <summary>When a stream learns a model from its own stored rows, and with what.</summary>
internal sealed record LearnOptions
{
    /// <summary>Shortest and longest <see cref="After"/>, <see cref="Every"/> and <see cref="Budget"/>.</summary>
    internal static (TimeSpan Min, TimeSpan Max) TimeRange { get; } = (TimeSpan.FromSeconds(1), TimeSpan.FromDays(366));

    /// <summary>Smallest memory that training runs in.</summary>
    internal const long MemoryMinBytes = 100L << 20;

    /// <summary>Cells that can be asked for; <c>auto</c> tries several.</summary>
    internal static readonly string[] Cells = ["auto", "lstm", "gru", "rnn"];

    /// <summary>What it learns.</summary>
    public LearnedPart What { get; init; }

    /// <summary>Whether it learns a profile.</summary>
    internal bool IsProfile => What == LearnedPart.Profile;

    /// <summary>Columns of a stream that has no model yet, each with its unit or ""; empty if edge.yaml names a model.</summary>
    public IReadOnlyList<(string Column, string Unit)> Columns { get; init; } = [];

    /// <summary>Ticks ahead of the forecasts of a stream that has no model yet.</summary>
    public required IReadOnlyList<int> Horizons { get; init; }

    /// <summary>Readings that the first model is learned from, as the time from the first to the last.</summary>
    public TimeSpan After { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Time from one learning to the next.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Time of day, in the machine's zone, at which a model is learned again; null for any.</summary>
    public TimeOnly? At { get; init; }

    /// <summary>The recurrent layer, one of <see cref="Cells"/>.</summary>
    public string Cell { get; init; } = Cells[0];

    /// <summary>Time for training.</summary>
    public TimeSpan Budget { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Memory that training may take, at least <see cref="MemoryMinBytes"/>.</summary>
    public long MemoryMaxBytes { get; init; } = 300L << 20;

    /// <summary>How the processor is shared with it.</summary>
    public TrainingPriority Priority { get; init; }

    /// <summary>Path of edge-quantize; null for the one beside this program, or on the search path.</summary>
    public string? Program { get; init; }

    // Of the memory that training may take, what each stored value of a row needs.
    private const int BytesAValue = 120;

    // Fewer ticks say nothing.
    private const int CanaryTicksMin = 100;

    /// <summary>Why these settings cannot give a model, a sentence for a person; null if they can.</summary>
    /// <param name="period">From tick to tick.</param>
    /// <param name="columns">Columns of the stream.</param>
    /// <param name="ticksAhead">The most ticks ahead that it forecasts.</param>
    /// <param name="ageMax">Age to which rows are stored.</param>
    internal string? WhyNot(TimeSpan period, int columns, int ticksAhead, TimeSpan ageMax)
    {
        long needed = IsProfile ? NormalProfileLearner.RowsMin : LearningRows.For(ticksAhead);
        string learned = IsProfile ? "a profile" : $"to forecast {Quantity.Of(ticksAhead, "tick")} ahead";
        string needs = string.Create(CultureInfo.InvariantCulture, $"{learned} is learned from at least {needed} rows");
        string shorter = ticksAhead > 1 && !IsProfile ? ", or set shorter 'learn.horizons'" : "";
        (string Key, TimeSpan Span)[] spans = [("learn.after", After), ("history.max_age", ageMax)];
        foreach ((string key, TimeSpan span) in spans)
        {
            if (span < needed * period)
            {
                return $"'{key}' is {Duration.Text(span)}, which is {(long)(span / period)} rows at a period of {Duration.Text(period)}, "
                    + $"and {needs}. Set it to at least {Duration.Text(RoundedUp(needed * period))}{shorter}.";
            }
        }

        return RowsMax(columns) < needed
            ? $"'learn.memory' has room for {RowsMax(columns)} rows of {Quantity.Of(columns, "column")}, and {needs}. Set it to at least "
                + $"{((needed * columns * BytesAValue) >> 20) + 1}MB{shorter}."
            : null;
    }

    // A time that a person would write.
    private static TimeSpan RoundedUp(TimeSpan span)
    {
        TimeSpan unit = span > TimeSpan.FromHours(1) ? TimeSpan.FromHours(1) : TimeSpan.FromMinutes(1);
        return span < unit ? span : unit * Math.Ceiling(span / unit);
    }

    /// <summary>Most rows that <see cref="MemoryMaxBytes"/> has room for.</summary>
    /// <param name="columns">Columns of the stream.</param>
    internal long RowsMax(int columns) => MemoryMaxBytes / (BytesAValue * columns);

    /// <summary>Ticks for which a learned model is compared with the one in use.</summary>
    /// <param name="period">From tick to tick.</param>
    /// <param name="configured">What edge.yaml says for all models, or null.</param>
    internal int CanaryTicks(TimeSpan period, int? configured) =>
        configured ?? (int)Math.Clamp(After / period / 10, CanaryTicksMin, ModelUpdateOptions.CanaryTicksDefault);
}
