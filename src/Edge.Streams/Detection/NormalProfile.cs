using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// What is normal for the channels of a model: how far each moves, how they go together and what they have looked like, measured on
/// calibration rows and kept in the model file. <see cref="NormalProfileLearner"/> makes it; docs/detection.md.
/// </summary>
internal sealed partial class NormalProfile
{
    internal NormalProfile(int channels)
    {
        Channels = channels;
        Mean = new float[channels];
        Scale = new float[channels];
        Change = new float[channels];
        Longest = new int[channels];
        Rest = new float[channels];
        LongestElsewhere = new int[channels];
        Array.Fill(Rest, float.NaN);
        Operating = new float[channels][];
        Array.Fill(Operating, []);
        States = new float[channels][];
        Array.Fill(States, []);
        Reach = new float[channels];
        Switching = new SwitchStatistics[channels];
        Array.Fill(Switching, SwitchStatistics.None);
        Patterns = new PatternMemory(channels);
    }

    /// <summary>Number of channels.</summary>
    internal int Channels { get; }

    /// <summary>Calibration rows.</summary>
    internal int Rows { get; set; }

    /// <summary>Mean of each channel, in the model's normalized unit.</summary>
    internal float[] Mean { get; }

    /// <summary>One over the deviation of each channel.</summary>
    internal float[] Scale { get; }

    /// <summary>Root mean square change of each channel from row to row, in the model's normalized unit.</summary>
    internal float[] Change { get; }

    /// <summary>
    /// Whether levels hold from one recording to the next; otherwise a stream's own first rows say what is normal, and there are neither
    /// charts nor relations here.
    /// </summary>
    internal bool HasLevels { get; set; }

    /// <summary>Operating levels of each channel, in deviations from its mean; empty for most.</summary>
    internal float[][] Operating { get; }

    /// <summary>The values of each channel that has only a few, in deviations from its mean; empty for most.</summary>
    internal float[][] States { get; }

    /// <summary>How often each channel that has states or operating levels switches; not judged for others.</summary>
    internal SwitchStatistics[] Switching { get; }

    /// <summary>How far each channel with operating levels went from its mean, in deviations.</summary>
    internal float[] Reach { get; }

    /// <summary>Of the levels: [channels, spans].</summary>
    internal ChartStatistics[] Levels { get; set; } = [];

    /// <summary>The noise of each channel; empty where the calibration rows are too few, or of several recordings.</summary>
    internal NoiseStatistics[] Noise { get; set; } = [];

    /// <summary>How channels go together and with the time; null where nothing goes with anything, and for very many channels.</summary>
    internal Relation? Relation { get; set; }

    /// <summary>What the channels have looked like.</summary>
    internal PatternMemory Patterns { get; }

    /// <summary>
    /// How far the channels jump from row to row, as <see cref="ResidualStatistic.Bins"/> of the forecast that nothing changes: a switch or
    /// a new set point that is rare is no surprise to a stream that has just begun.
    /// </summary>
    internal ushort[] Jumps { get; } = new ushort[TailHistogram.Bins];

    /// <summary>Longest run of equal values of each channel.</summary>
    internal int[] Longest { get; }

    /// <summary>
    /// Where each channel is in its longest run of equal values, in deviations from its mean; NaN if it does not rest there and measure at
    /// many other values.
    /// </summary>
    internal float[] Rest { get; }

    /// <summary>Longest run of equal values of each channel elsewhere.</summary>
    internal int[] LongestElsewhere { get; }

    /// <summary>
    /// A profile for what so many first rows of a stream show: levels and relations alone, always of the same size.
    /// </summary>
    internal static NormalProfile OfFirstRows(int channels, int rows)
    {
        var profile = new NormalProfile(channels) { Rows = rows, HasLevels = true };
        Array.Fill(profile.Scale, 1);
        profile.Levels = new ChartStatistics[channels * EwmaChart.SpansOf(rows).Length];
        Array.Fill(profile.Levels, ChartStatistics.Unlimited);
        bool isCurved = RelationLearner.Suffices(channels, rows, isCurved: true);
        profile.Relation = profile.NewRelation(isCurved, CalendarPart.None, profile.Levels.Length);
        Array.Fill(profile.Relation.Statistics, ChartStatistics.Unlimited);
        return profile;
    }

    /// <summary>The states or the operating levels of a channel, in deviations from its mean; empty for most.</summary>
    internal float[] LevelsOf(int channel) => States[channel].Length > 0 ? States[channel] : Operating[channel];

    /// <summary>From deviations about a channel's mean to the model's normalized unit.</summary>
    internal float Normalized(int channel, float standard) => (standard / Scale[channel]) + Mean[channel];

    /// <summary>And back.</summary>
    internal float Standard(int channel, float normalized) => (normalized - Mean[channel]) * Scale[channel];

    /// <summary>How far a channel went from its mean, in deviations, where levels hold.</summary>
    internal float LargestOf(int channel) =>
        Operating[channel].Length > 0 ? Reach[channel] : Levels[channel * (Levels.Length / Channels)].Largest;

    private Relation NewRelation(bool isCurved, CalendarPart calendar, int charts) => new(
        new RelationModel(Channels, RelationModel.ContextsOf(Channels, Rows), isCurved, calendar), new ChartStatistics[charts]);
}

/// <summary>A relation and what its residuals did on calm rows.</summary>
/// <param name="Model">Each channel as a function of the others.</param>
/// <param name="Statistics">Of the residuals: [channels, spans].</param>
internal sealed record Relation(RelationModel Model, ChartStatistics[] Statistics);
