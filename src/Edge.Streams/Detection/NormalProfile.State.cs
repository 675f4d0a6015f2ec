using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>The profile as bytes: in a model file, in each version so far, and in the state of a stream that has its own.</summary>
internal sealed partial class NormalProfile
{
    private const byte Version = 7;

    // Knew not how often channels switch.
    private const byte SwitchlessVersion = 6;

    // Knew no operating levels.
    private const byte LevellessVersion = 5;

    // Knew no noise, and not where machines rest.
    private const byte NoiselessVersion = 4;

    // Knew no end of a chart.
    private const byte EndlessVersion = 3;

    // Knew no time of day, either.
    private const byte UntimedVersion = 2;

    // Kept the tail of each chart, and a linear relation before the curved one.
    private const byte FirstVersion = 1;
    private const int FirstFields = 6;
    private const int EndlessFields = 4;
    private const int RowsMax = 1_000_000_000;

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
        to.Field((byte)(Relation is null ? 0 : Relation.Model.IsCurved ? 2 : 1));
        to.Field((byte)(Relation?.Model.Calendar ?? CalendarPart.None));
        ArchiveChannels(to);
        ArchiveRest(to);
        ArchiveOperating(to);
        ArchiveSwitching(to);
        ArchiveCharts(to, Levels);
        ArchiveNoise(to);
        Relation?.Model.Archive(to);
        ArchiveCharts(to, Relation?.Statistics ?? []);
        to.Fields<ushort>(Jumps);
        ArchivePatterns(to);
        return stream.ToArray();
    }

    /// <summary>Reads or writes a profile of first rows.</summary>
    /// <exception cref="InvalidDataException">What was read is damaged.</exception>
    internal void ArchiveFirstRows(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(Mean);
        snapshot.Fields<float>(Scale);
        CheckScales();
        ArchiveCharts(snapshot, Levels);
        Relation!.Model.Archive(snapshot);
        ArchiveCharts(snapshot, Relation.Statistics);
    }

    private static NormalProfile Read(StreamSnapshot from, int channels)
    {
        byte version = from.Field(Version);
        int count = from.Field(channels);
        int rows = from.Field(0);
        bool hasLevels = from.Field(false);
        byte relations = from.Field((byte)0);
        CalendarPart calendar = version <= UntimedVersion ? CalendarPart.None : (CalendarPart)from.Field((byte)0);
        int channelsMin = calendar == CalendarPart.None ? 2 : 1;
        if (version is < FirstVersion or > Version || calendar > CalendarPart.Week
            || count != channels || rows is < 1 or > RowsMax || relations > 2
            || (relations > 0 && (!hasLevels || channels < channelsMin || channels > RelationModel.ChannelsMax)))
        {
            throw new InvalidDataException("The header is wrong.");
        }

        var profile = new NormalProfile(channels) { Rows = rows, HasLevels = hasLevels };
        profile.ArchiveChannels(from);
        if (version > NoiselessVersion)
        {
            profile.ArchiveRest(from);
        }

        if (version > LevellessVersion)
        {
            profile.ArchiveOperating(from);
        }

        if (version > SwitchlessVersion)
        {
            profile.ArchiveSwitching(from);
        }

        if (version == FirstVersion)
        {
            profile.ReadFirst(from, relations);
        }
        else
        {
            profile.Levels = new ChartStatistics[hasLevels ? channels * EwmaChart.SpansOf(rows).Length : 0];
            ReadCharts(from, version, profile.Levels);
            if (version > NoiselessVersion)
            {
                profile.Noise = new NoiseStatistics[hasLevels && NoiseChart.IsEnough(rows) ? channels : 0];
                profile.ArchiveNoise(from);
            }

            if (relations > 0)
            {
                profile.Relation = profile.NewRelation(isCurved: relations > 1, calendar, profile.Levels.Length);
                profile.Relation.Model.Archive(from);
                ReadCharts(from, version, profile.Relation.Statistics);
            }

            from.Fields<ushort>(profile.Jumps);
        }

        profile.ArchivePatterns(from);
        return profile;
    }

    // Of two relations, the curved one is kept.
    private void ReadFirst(StreamSnapshot from, int relations)
    {
        int charts = Channels * EwmaChart.SpansOf(Rows).Length;
        Levels = new ChartStatistics[HasLevels ? charts : 0];
        ReadCharts(from, FirstVersion, Levels);
        for (int at = 0; at < relations; at++)
        {
            Relation = NewRelation(isCurved: at > 0, CalendarPart.None, charts);
            Relation.Model.Archive(from);
            ReadCharts(from, FirstVersion, Relation.Statistics);
        }
    }

    private static void ReadCharts(StreamSnapshot from, byte version, ChartStatistics[] charts)
    {
        if (version > EndlessVersion)
        {
            ArchiveCharts(from, charts);
            return;
        }

        var fields = new float[version == FirstVersion ? FirstFields : EndlessFields];
        foreach (ref ChartStatistics chart in charts.AsSpan())
        {
            from.Fields<float>(fields);
            float power = version == FirstVersion ? ChartStatistics.NormalPower : fields[2];
            chart = new ChartStatistics(fields[0], fields[1], power, fields[^1], ChartStatistics.NoEnd);
        }

        Check(charts);
    }

    private void ArchiveChannels(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(Mean);
        snapshot.Fields<float>(Scale);
        snapshot.Fields<float>(Change);
        snapshot.Fields<int>(Longest);
        CheckScales();
        if (!Array.TrueForAll(Change, float.IsFinite) || !Array.TrueForAll(Longest, longest => longest >= 0))
        {
            throw new InvalidDataException("A channel is wrong.");
        }
    }

    private void CheckScales()
    {
        if (!Array.TrueForAll(Mean, float.IsFinite) || !Array.TrueForAll(Scale, scale => float.IsFinite(scale) && scale > 0))
        {
            throw new InvalidDataException("The scale of a channel is wrong.");
        }
    }

    private void ArchiveRest(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(Rest);
        snapshot.Fields<int>(LongestElsewhere);
        if (Array.Exists(Rest, float.IsInfinity) || Array.Exists(LongestElsewhere, longest => longest < 0))
        {
            throw new InvalidDataException("A channel's rest is wrong.");
        }
    }

    private void ArchiveOperating(StreamSnapshot snapshot)
    {
        for (int channel = 0; channel < Channels; channel++)
        {
            ArchiveAscending(snapshot, ref States[channel]);
            ArchiveAscending(snapshot, ref Operating[channel]);
            if (Operating[channel].Length > 0)
            {
                snapshot.Fields(Reach.AsSpan(channel, 1));
            }

            if (!float.IsFinite(Reach[channel]))
            {
                throw new InvalidDataException("A channel's reach is wrong.");
            }
        }
    }

    private void ArchiveSwitching(StreamSnapshot snapshot)
    {
        for (int channel = 0; channel < Channels; channel++)
        {
            if (LevelsOf(channel).Length > 0)
            {
                Span<SwitchStatistics> switching = Switching.AsSpan(channel, 1);
                snapshot.Fields(switching);
                Check([switching[0].OfMeans]);
                if (!switching[0].IsValid)
                {
                    throw new InvalidDataException("How often a channel switches is wrong.");
                }
            }
        }
    }

    private static void ArchiveAscending(StreamSnapshot snapshot, ref float[] levels)
    {
        int count = snapshot.Field((byte)levels.Length);
        if (count is 1 or > OperatingLevels.Most)
        {
            throw new InvalidDataException("A channel has a wrong number of levels.");
        }

        levels = snapshot.IsReading ? new float[count] : levels;
        snapshot.Fields<float>(levels);
        if (!Array.TrueForAll(levels, float.IsFinite) || levels.Zip(levels.Skip(1)).Any(pair => pair.First >= pair.Second))
        {
            throw new InvalidDataException("A channel's levels are wrong.");
        }
    }

    private void ArchiveNoise(StreamSnapshot snapshot)
    {
        snapshot.Fields<NoiseStatistics>(Noise);
        Check([.. Noise.Select(noise => noise.OfMeans)]);
        if (!Array.TrueForAll(Noise, noise => noise.IsValid))
        {
            throw new InvalidDataException("A channel's noise is wrong.");
        }
    }

    private void ArchivePatterns(StreamSnapshot snapshot)
    {
        Patterns.ArchiveScale(snapshot);
        Patterns.ArchiveLearned(snapshot);
    }

    private static void ArchiveCharts(StreamSnapshot snapshot, ChartStatistics[] charts)
    {
        snapshot.Fields<ChartStatistics>(charts);
        Check(charts);
    }

    private static void Check(ChartStatistics[] charts)
    {
        if (!Array.TrueForAll(
            charts,
            chart => chart is { Deviation: >= 0, Largest: >= 0, TailPower: >= 0 and <= 1, Growth: >= 1, End: >= 0 }
                && float.IsFinite(chart.Deviation + chart.Largest + chart.Growth)))
        {
            throw new InvalidDataException("A chart is wrong.");
        }
    }
}
