using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Edge.Runtime.Telemetry;

/// <summary>
/// A meter's instruments in Prometheus' text format 0.0.4, named as the OpenTelemetry specification translates names: dots to
/// underscores, the unit and <c>_total</c> at the end.
/// </summary>
internal sealed class PrometheusText : IDisposable
{
    internal const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly Lock _gate = new();
    private readonly MeterListener _listener = new();
    private readonly List<Family> _families = [];

    internal PrometheusText(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == meter)
            {
                var family = new Family(instrument);
                lock (_gate)
                {
                    _families.Add(family);
                }

                listener.EnableMeasurementEvents(instrument, family);
            }
        };
        _listener.SetMeasurementEventCallback<double>((_, value, tags, family) => Note((Family)family!, value, tags));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, family) => Note((Family)family!, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, family) => Note((Family)family!, value, tags));
        _listener.Start();
    }

    // Values of one instrument with one set of labels.
    private sealed class Series(KeyValuePair<string, object?>[] tags, int buckets)
    {
        internal KeyValuePair<string, object?>[] Tags { get; } = tags;

        internal double Value { get; set; }

        internal long Count { get; set; }

        internal long[] Buckets { get; } = new long[buckets];
    }

    private sealed class Family(Instrument instrument)
    {
        internal Instrument Instrument { get; } = instrument;

        internal double[]? Bounds { get; } = instrument is Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds }
            ? [.. bounds]
            : null;

        /// <summary>Whether each value is an increment: observable counters give their sum.</summary>
        internal bool IsSum { get; } = instrument is Counter<long> or Counter<int> or Counter<double>;

        internal List<Series> Series { get; } = [];
    }

    /// <summary>Reads every instrument and writes its values.</summary>
    internal string Write()
    {
        lock (_gate)
        {
            foreach (Family family in _families.Where(family => family.Instrument.IsObservable))
            {
                family.Series.Clear();
            }
        }

        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        lock (_gate)
        {
            foreach (Family family in _families)
            {
                Write(text, family);
            }
        }

        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private void Note(Family family, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_gate)
        {
            Series series = Find(family, tags);
            series.Count++;
            if (family.Bounds is null)
            {
                series.Value = family.IsSum ? series.Value + value : value;
                return;
            }

            series.Value += value;
            int at = Array.BinarySearch(family.Bounds, value);
            at = at < 0 ? ~at : at;
            if (at < series.Buckets.Length)
            {
                series.Buckets[at]++;
            }
        }
    }

    private static Series Find(Family family, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (Series each in family.Series)
        {
            if (tags.SequenceEqual(each.Tags))
            {
                return each;
            }
        }

        var series = new Series([.. tags], family.Bounds?.Length ?? 0);
        family.Series.Add(series);
        return series;
    }

    private static void Write(StringBuilder text, Family family)
    {
        Instrument instrument = family.Instrument;
        bool isCounter = instrument.GetType().Name.Contains("Counter", StringComparison.Ordinal);
        string name = Name(instrument, isCounter);
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {instrument.Description}\n");
        text.Append(
            CultureInfo.InvariantCulture,
            $"# TYPE {name} {(family.Bounds is not null ? "histogram" : isCounter ? "counter" : "gauge")}\n");
        foreach (Series series in family.Series)
        {
            string labels = string.Join(",", series.Tags.Select(tag => $"{tag.Key}=\"{Escape(tag.Value)}\""));
            if (family.Bounds is null)
            {
                text.Append(CultureInfo.InvariantCulture, $"{name}{{{labels}}} {series.Value}\n");
                continue;
            }

            string before = labels.Length == 0 ? "" : labels + ",";
            long below = 0;
            for (int i = 0; i < family.Bounds.Length; i++)
            {
                below += series.Buckets[i];
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{before}le=\"{family.Bounds[i]}\"}} {below}\n");
            }

            text.Append(
                CultureInfo.InvariantCulture,
                $"{name}_bucket{{{before}le=\"+Inf\"}} {series.Count}\n{name}_sum{{{labels}}} {series.Value}\n{name}_count{{{labels}}} "
                    + $"{series.Count}\n");
        }
    }

    // The text format escapes these three in the value of a label.
    private static string Escape(object? value) => (value?.ToString() ?? "")
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);

    private static string Name(Instrument instrument, bool isCounter)
    {
        string name = instrument.Name.Replace('.', '_');
        string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        return name + (name.EndsWith(unit, StringComparison.Ordinal) ? "" : unit) + (isCounter ? "_total" : "");
    }
}
