using Edge.Sensors;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>Says once that the times of a topic name no zone and are read as UTC, and when that looks wrong.</summary>
/// <param name="topic">The topic.</param>
/// <param name="log">Where it is said.</param>
internal sealed class ZoneHint(string topic, ILogger log)
{
    private static readonly TimeSpan Quarter = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan OffsetMax = TimeSpan.FromHours(14.5);

    private bool _isSaid;

    /// <summary>Notes a time that was read.</summary>
    internal void Note(TimeReader reader, DateTime utc, DateTime now)
    {
        if (_isSaid || !reader.IsZoneGuessed)
        {
            return;
        }

        _isSaid = true;
        TimeSpan off = utc - now;
        long quarters = (long)Math.Round(off / Quarter);
        bool isZone = quarters != 0 && off.Duration() < OffsetMax && (off - (quarters * Quarter)).Duration() < Tolerance;
        if (isZone)
        {
            log.LogWarning(
                "Topic '{Topic}': the times name no zone and are read as UTC, which makes them {Hours} h {Where}. Set 'timezone'",
                topic,
                Math.Abs(quarters) / 4.0,
                quarters > 0 ? "ahead" : "old");
        }
        else
        {
            log.LogInformation("Topic '{Topic}': the times name no zone and are read as UTC. 'timezone' sets another", topic);
        }
    }
}
