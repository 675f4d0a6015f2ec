using System.Runtime.InteropServices;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Limits;

namespace Edge.Runtime.Web;

/// <summary>Writes what the page reads of a stream. Times are ms since 1970; values have the digits of a float32, null for none.</summary>
internal static class StreamJson
{
    private const int SparklinePoints = 60;

    /// <summary>What stays as it is while the stream runs: columns, limits, and what its model is.</summary>
    internal static void WriteCard(Utf8JsonWriter json, StreamView view)
    {
        SensorStream stream = view.Stream;
        ModelManifest manifest = stream.Manifest;
        json.WriteString("name", stream.Name);
        json.WriteNumber("period_seconds", stream.Period.TotalSeconds);
        WriteTexts(json, "columns", manifest.Columns);
        WriteTexts(json, "units", manifest.Units);
        json.WriteNumber("interval", stream.Options.Forecast.Interval);
        WriteLimits(json, stream);
        json.WriteStartObject("model");
        json.WriteString("name", manifest.Name);
        json.WriteBoolean("trained", manifest.IsTrained);
        json.WriteString("sha256", stream.Engine.ModelSha256);
        json.WriteString("engine", stream.Engine.Description);
        if (manifest.TrainRows is var (begin, end))
        {
            json.WriteNumber("train_rows", end - begin);
        }

        WriteErrors(json, manifest);
        if (CellWatch.ModelOf(stream) is { } model)
        {
            json.WriteString("architecture", model.Architecture);
            json.WriteString("provenance", model.Provenance);
            json.WriteStartArray("layers");
            foreach (int l in new CellWatch(model).Layers)
            {
                json.WriteStartObject();
                json.WriteString("type", model.Layers[l].Type);
                json.WriteNumber("units", model.Layers[l].UnitCount);
                WriteTexts(json, "parts", CellWatch.PartsOf(model.Layers[l]));
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>One line of the list of streams: its state, its last event and a few of its last values.</summary>
    internal static void WriteSummary(Utf8JsonWriter json, StreamView view, bool isOnline)
    {
        SensorStream stream = view.Stream;
        TickCopy newest = view.Newest();
        json.WriteStartObject();
        json.WriteString("name", stream.Name);
        json.WriteBoolean("online", isOnline);
        json.WriteBoolean("open", stream.IsAnomalyOpen);
        Write(json, "score", stream.AnomalyScore);
        json.WriteNumber("seq", newest.Seq);
        WriteTime(json, newest);
        json.WriteString("limit", stream.Limits.Count == 0 ? "none" : Name(stream.Limits.Max(limit => limit.Stage)));
        if (view.Events().Events is [.., var last])
        {
            json.WritePropertyName("last");
            last.Write(json);
        }

        if (stream.Manifest.Columns.Count > 0)
        {
            json.WriteString("column", stream.Manifest.Columns[0]);
            json.WriteString("unit", stream.Manifest.Units[0]);
            Write(json, "value", newest.Seq > 0 && PointBuilder.HasValue(newest.Qualities[0]) ? newest.Values[0] : double.NaN);
            json.WriteStartArray("spark");
            view.Points.Read(view.Points.Written - (5 * SparklinePoints)).Points.Thinned(SparklinePoints).WriteMeans(json, 0);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>The newest tick: sensors, forecasts ahead, score by cause, limits, health.</summary>
    internal static void WriteNow(Utf8JsonWriter json, StreamView view)
    {
        SensorStream stream = view.Stream;
        TickCopy newest = view.Newest();
        StreamHealth health = stream.Health;
        json.WriteStartObject("now");
        json.WriteNumber("seq", newest.Seq);
        WriteTime(json, newest);
        json.WriteString("model", stream.Engine.ModelSha256);
        if (view.Learning?.Invoke() is { } learning)
        {
            json.WriteString("learning", learning);
        }

        json.WriteBoolean("open", stream.IsAnomalyOpen);
        Write(json, "score", stream.AnomalyScore);
        json.WriteStartObject("parts");
        foreach (AnomalyCause cause in Enum.GetValues<AnomalyCause>())
        {
            Write(json, cause.ToString().ToLowerInvariant(), stream.ScoreOf(cause));
        }

        json.WriteEndObject();
        json.WriteStartArray("sensors");
        for (int i = 0; i < newest.Values.Length && newest.Seq > 0; i++)
        {
            json.WriteStartObject();
            Write(json, "value", PointBuilder.HasValue(newest.Qualities[i]) ? newest.Values[i] : double.NaN);
            json.WriteNumber("q", (int)newest.Qualities[i]);
            json.WriteNumber("bad", health.BadTicks[i]);
            if (newest.Faults[i] is { } fault)
            {
                json.WriteString("fault", fault);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteForecast(json, stream, newest);
        WriteLimits(json, stream);
        json.WriteNumber("warm_up", health.WarmUpRowsLeft);
        json.WriteString("detection", health.Detection);
        json.WriteStartObject("health");
        json.WriteNumber("ticks", health.Ticks);
        json.WriteNumber("missed", health.MissedTicks);
        json.WriteNumber("anomalies", view.Anomalies);
        Write(json, "coverage", health.Coverage);
        Write(json, "skill", health.Skill);
        Write(json, "seasonal", health.SeasonalSkill);
        Write(json, "outside", health.OutsideShare);
        json.WriteNumber("saturated", health.StateSaturations + health.SaturatedTicks.Sum());
        json.WriteEndObject();
        json.WriteEndObject();
    }

    internal static void WriteEvents(Utf8JsonWriter json, IEnumerable<PageEvent> events)
    {
        json.WriteStartArray("events");
        foreach (PageEvent each in events)
        {
            each.Write(json);
        }

        json.WriteEndArray();
    }

    /// <summary>Frames of one recurrent layer, the floats as base64 of their little-endian bytes.</summary>
    /// <param name="json">Receives them.</param>
    /// <param name="frames">The frames.</param>
    /// <param name="layer">The layer, counted over the recurrent ones.</param>
    internal static void WriteCell(Utf8JsonWriter json, CellFrame[] frames, int layer)
    {
        json.WriteStartArray("frames");
        foreach (CellFrame frame in frames)
        {
            json.WriteStartObject();
            json.WriteNumber("t", frame.TimeMs);
            json.WriteBase64String("x", MemoryMarshal.AsBytes(frame.Inputs.AsSpan()));
            json.WriteStartArray("parts");
            foreach (float[] part in frame.Layers[Math.Clamp(layer, 0, frame.Layers.Length - 1)])
            {
                json.WriteBase64StringValue(MemoryMarshal.AsBytes(part.AsSpan()));
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    internal static void Write(Utf8JsonWriter json, string name, double value)
    {
        json.WritePropertyName(name);
        Series.WriteValue(json, value);
    }

    // Errors on held-out rows, in the unit of the column.
    private static void WriteErrors(Utf8JsonWriter json, ModelManifest manifest)
    {
        if (manifest.OutputRmse is not { } errors)
        {
            return;
        }

        json.WriteStartArray("errors");
        foreach (int output in manifest.ForecastOutputs)
        {
            ModelOutput of = manifest.Outputs[output];
            json.WriteStartObject();
            json.WriteNumber("column", of.Column);
            json.WriteNumber("seconds", of.TicksAhead * manifest.PeriodSeconds);
            Write(json, "rmse", errors[output] * manifest.Std[of.Column]);
            json.WriteStartObject("simple");
            foreach ((string name, IReadOnlyList<double> simple) in manifest.Baselines)
            {
                Write(json, name, simple[output] * manifest.Std[of.Column]);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // By column: the times of its forecasts, and the forecasts with their intervals.
    private static void WriteForecast(Utf8JsonWriter json, SensorStream stream, TickCopy newest)
    {
        json.WriteStartArray("forecast");
        if (newest.HasForecast)
        {
            ModelManifest manifest = stream.Manifest;
            double now = PageEvent.Milliseconds(newest.Time);
            foreach (IGrouping<int, int> column in manifest.ForecastOutputs.GroupBy(output => manifest.Outputs[output].Column))
            {
                json.WriteStartObject();
                json.WriteNumber("column", column.Key);
                int[] outputs = [.. column.OrderBy(output => manifest.Outputs[output].TicksAhead)];
                json.WriteStartArray("t");
                foreach (int output in outputs)
                {
                    json.WriteNumberValue(
                        Math.Round(now + (manifest.Outputs[output].TicksAhead * stream.Period.TotalMilliseconds)));
                }

                json.WriteEndArray();
                WriteOf(json, "v", outputs, newest.Forecast);
                WriteOf(json, "low", outputs, newest.Low);
                WriteOf(json, "high", outputs, newest.High);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteLimits(Utf8JsonWriter json, SensorStream stream)
    {
        json.WriteStartArray("limits");
        foreach (LimitState limit in stream.Limits)
        {
            json.WriteStartObject();
            json.WriteString("column", limit.Column);
            json.WriteString("side", limit.Side == LimitSide.High ? "high" : "low");
            json.WriteNumber("limit", limit.Limit);
            json.WriteString("stage", Name(limit.Stage));
            Write(json, "seconds", limit.SecondsToLimit);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteOf(Utf8JsonWriter json, string name, int[] outputs, ReadOnlySpan<double> values)
    {
        json.WriteStartArray(name);
        foreach (int output in outputs)
        {
            Series.WriteValue(json, values[output]);
        }

        json.WriteEndArray();
    }

    private static void WriteTime(Utf8JsonWriter json, TickCopy newest)
    {
        if (newest.Seq > 0)
        {
            json.WriteNumber("t", PageEvent.Milliseconds(newest.Time));
        }
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static string Name(LimitStage stage) => stage.ToString().ToLowerInvariant();
}
