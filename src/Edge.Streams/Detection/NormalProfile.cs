using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>
/// What is normal for the channels of a model: how far each moves, how they go together and what they have looked like, measured on
/// calibration rows and kept in the model file. <see cref="NormalProfileLearner"/> makes it; docs/detection.md.
/// </summary>
internal sealed class NormalProfile
{
    private const byte Version = 1;
    private const int RowsMax = 1_000_000_000;

    internal NormalProfile(int channels)
    {
        Channels = channels;
        Mean = new float[channels];
        Scale = new float[channels];
        Change = new float[channels];
        Longest = new int[channels];
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
    /// Whether levels hold from one recording to the next; otherwise a stream's own warm-up says what its levels are, and there are neither
    /// charts nor relations here.
    /// </summary>
    internal bool HasLevels { get; set; }

    /// <summary>Of the levels: [channels, spans].</summary>
    internal ChartStatistics[] Levels { get; set; } = [];

    /// <summary>How channels go together; none for a single channel, and for very many.</summary>
    internal IReadOnlyList<Relation> Relations { get; set; } = [];

    /// <summary>What the channels have looked like.</summary>
    internal PatternMemory Patterns { get; }

    /// <summary>Longest run of equal values of each channel.</summary>
    internal int[] Longest { get; }

    /// <summary>Reads the profile of a model; null if it has none.</summary>
    /// <exception cref="ModelFormatException">It is damaged, or of another number of columns.</exception>
    internal static NormalProfile? Of(ModelManifest manifest)
    {
        if (manifest.NormalProfile.IsEmpty)
        {
            return null;
        }

        try
        {
            using var stream = new MemoryStream(manifest.NormalProfile.ToArray());
            NormalProfile profile = Read(StreamSnapshot.Read(stream), manifest.Columns.Count);
            return stream.Position == stream.Length ? profile : throw new InvalidDataException("It is too long.");
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
        {
            throw new ModelFormatException(
                "Manifest entry 'normal_profile' is damaged or of another version. Make the model file again with edge-quantize.", e);
        }
    }

    /// <summary>The profile as <see cref="ModelManifest.NormalProfile"/> keeps it.</summary>
    internal byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        var to = StreamSnapshot.Write(stream);
        to.Field(Version);
        to.Field(Channels);
        to.Field(Rows);
        to.Field(HasLevels);
        to.Field((byte)Relations.Count);
        Archive(to);
        return stream.ToArray();
    }

    private static NormalProfile Read(StreamSnapshot from, int channels)
    {
        byte version = from.Field(Version);
        int count = from.Field(channels);
        int rows = from.Field(0);
        bool hasLevels = from.Field(false);
        byte relations = from.Field((byte)0);
        if (version != Version || count != channels || rows is < 1 or > RowsMax || relations > 2
            || (relations > 0 && (!hasLevels || channels is < 2 or > RelationModel.ChannelsMax)))
        {
            throw new InvalidDataException("The header is wrong.");
        }

        var profile = new NormalProfile(channels) { Rows = rows, HasLevels = hasLevels };
        int charts = channels * EwmaChart.SpansOf(rows).Length;
        profile.Levels = new ChartStatistics[hasLevels ? charts : 0];
        profile.Relations =
        [
            .. Enumerable.Range(0, relations)
                .Select(curved => new Relation(
                    new RelationModel(channels, RecentMeans.CountOf(rows), isCurved: curved > 0),
                    new ChartStatistics[charts])),
        ];
        profile.Archive(from);
        return profile;
    }

    private void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(Mean);
        snapshot.Fields<float>(Scale);
        snapshot.Fields<float>(Change);
        snapshot.Fields<int>(Longest);
        Archive(snapshot, Levels);
        foreach (Relation relation in Relations)
        {
            relation.Model.Archive(snapshot);
            Archive(snapshot, relation.Statistics);
        }

        Patterns.ArchiveScale(snapshot);
        Patterns.Archive(snapshot);
        if (!Array.TrueForAll(Mean, float.IsFinite) || !Array.TrueForAll(Scale, scale => float.IsFinite(scale) && scale > 0)
            || !Array.TrueForAll(Change, float.IsFinite) || !Array.TrueForAll(Longest, longest => longest >= 0))
        {
            throw new InvalidDataException("A channel is wrong.");
        }
    }

    private static void Archive(StreamSnapshot snapshot, ChartStatistics[] statistics)
    {
        snapshot.Fields<ChartStatistics>(statistics);
        if (!Array.TrueForAll(
            statistics,
            chart => chart is { Deviation: >= 0, Largest: >= 0, TailStart: >= 0, TailScale: >= 0, TailShape: >= -1 and <= 1, Growth: >= 1 }
                && float.IsFinite(chart.Deviation + chart.Largest + chart.TailStart + chart.TailScale + chart.Growth)))
        {
            throw new InvalidDataException("A chart is wrong.");
        }
    }
}

/// <summary>A relation and what its residuals did on calm rows.</summary>
/// <param name="Model">Each channel as a function of the others.</param>
/// <param name="Statistics">Of the residuals: [channels, spans].</param>
internal sealed record Relation(RelationModel Model, ChartStatistics[] Statistics);
