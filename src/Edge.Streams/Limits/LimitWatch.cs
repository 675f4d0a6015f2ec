using System.Globalization;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams.Forecasting;

namespace Edge.Streams.Limits;

/// <summary>
/// Compares readings and forecasts with the limits of their channels. An event opens when a reading, or a forecast with enough
/// probability, is beyond a limit. It closes when both are inside again by the hysteresis.
/// </summary>
internal sealed class LimitWatch
{
    private const int UpdateTicks = 60;
    private const double DefaultHysteresisDeviations = 0.1;

    private readonly string _stream;
    private readonly ModelManifest _manifest;
    private readonly Forecaster _forecaster;
    private readonly double _periodSeconds;
    private readonly double _deviationsInHalfWidth;
    private readonly Watched[] _limits;
    private readonly List<LimitEvent> _events = [];

    /// <param name="stream">Name of the stream.</param>
    /// <param name="limits">Limits by channel.</param>
    /// <param name="forecaster">The newest forecasts and their intervals.</param>
    /// <param name="coverage">Share of actual values that an interval holds.</param>
    /// <param name="period">Time from tick to tick.</param>
    /// <exception cref="InputException">A channel is not a column of the model.</exception>
    internal LimitWatch(string stream, IReadOnlyList<LimitOptions> limits, Forecaster forecaster, double coverage, TimeSpan period)
    {
        _stream = stream;
        _manifest = forecaster.Manifest;
        _forecaster = forecaster;
        _periodSeconds = period.TotalSeconds;
        _deviationsInHalfWidth = NormalDistribution.Quantile((1 + coverage) / 2);
        _limits = [.. limits.SelectMany(Watch)];
    }

    /// <summary>All limits and where their channels are.</summary>
    internal IReadOnlyList<LimitState> States =>
    [
        .. _limits.Select(
            each => new LimitState(_manifest.Columns[each.Column], each.Side, each.Limit, each.Stage, each.SecondsToLimit)),
    ];

    internal void Archive(StreamSnapshot snapshot)
    {
        foreach (Watched each in _limits)
        {
            each.Stage = (LimitStage)snapshot.Field((byte)each.Stage);
            each.StartedSeq = snapshot.Field(each.StartedSeq);
            each.Started = snapshot.Field(each.Started);
            each.StageSince = snapshot.Field(each.StageSince);
            each.SecondsToLimit = snapshot.Field(each.SecondsToLimit);
        }
    }

    /// <summary>Compares a tick.</summary>
    /// <param name="seq">Its number.</param>
    /// <param name="reading">Its row.</param>
    /// <param name="hasForecast">Whether the forecaster has a forecast that was made at this tick.</param>
    /// <returns>What opened, continues or closed; the same list at each tick.</returns>
    internal IReadOnlyList<LimitEvent> Observe(long seq, Reading reading, bool hasForecast)
    {
        _events.Clear();
        foreach (Watched each in _limits)
        {
            Observe(each, seq, reading, hasForecast);
        }

        return _events;
    }

    private IEnumerable<Watched> Watch(LimitOptions options)
    {
        int column = -1;
        for (int i = 0; i < _manifest.Columns.Count; i++)
        {
            column = _manifest.Columns[i] == options.Column ? i : column;
        }

        if (column < 0)
        {
            throw new InputException(
                $"'limits' has {options.Column}, which the model does not read; its columns are {string.Join(", ", _manifest.Columns)}.");
        }

        int[] outputs =
        [
            .. Enumerable.Range(0, _manifest.Outputs.Count)
                .Where(output => _manifest.Outputs[output].Column == column)
                .OrderBy(output => _manifest.Outputs[output].TicksAhead),
        ];
        double hysteresis = double.IsNaN(options.Hysteresis) ? DefaultHysteresisDeviations * _manifest.Std[column] : options.Hysteresis;
        double quantile = NormalDistribution.Quantile(options.Probability);
        if (!double.IsNaN(options.High))
        {
            yield return new Watched(column, LimitSide.High, options.High, hysteresis, quantile, outputs);
        }

        if (!double.IsNaN(options.Low))
        {
            yield return new Watched(column, LimitSide.Low, options.Low, hysteresis, quantile, outputs);
        }
    }

    private void Observe(Watched each, long seq, Reading reading, bool hasForecast)
    {
        // All values times the sign: then both sides are an upper limit.
        double sign = each.Side == LimitSide.High ? 1 : -1;
        double limit = sign * each.Limit;
        double value = reading.Quality[each.Column].IsMeasured() ? sign * reading.Values[each.Column] : double.NaN;
        (double seconds, double probability) = hasForecast ? Crossing(each, sign, value, limit) : (double.NaN, 0);
        bool isExpected = !double.IsNaN(seconds);
        bool mayReturn = !hasForecast || double.IsNaN(Crossing(each, sign, value, limit - each.Hysteresis).Seconds);
        LimitStage before = each.Stage;
        LimitStage now = before switch
        {
            _ when value > limit => LimitStage.Exceeded,
            LimitStage.Exceeded when !(value < limit - each.Hysteresis) => LimitStage.Exceeded,
            LimitStage.Inside => isExpected ? LimitStage.Expected : LimitStage.Inside,
            _ when isExpected => LimitStage.Expected,
            LimitStage.Expected => mayReturn && hasForecast ? LimitStage.Inside : LimitStage.Expected,
            _ => LimitStage.Inside,
        };
        if (before == LimitStage.Inside && now != LimitStage.Inside)
        {
            (each.StartedSeq, each.Started) = (seq, reading.Time);
        }

        each.StageSince = now == before ? each.StageSince : reading.Time;
        each.Stage = now;
        each.SecondsToLimit = now switch
        {
            LimitStage.Exceeded => 0,
            LimitStage.Expected => isExpected ? seconds : each.SecondsToLimit,
            _ => double.NaN,
        };
        bool isUpdate = now == before && now != LimitStage.Inside && (seq - each.StartedSeq) % UpdateTicks == 0;
        if (now != before || isUpdate)
        {
            _events.Add(Report(each, before, now, reading, now == LimitStage.Exceeded ? 1 : probability));
        }
    }

    // The first horizon at which the forecast is beyond a limit with the wanted probability: when, and how probable it is there.
    private (double Seconds, double Probability) Crossing(Watched each, double sign, double value, double limit)
    {
        (double beforeSeconds, double before) = (0, value);
        foreach (int output in each.Outputs)
        {
            double forecast = sign * _forecaster.Value(output);
            double deviation = _forecaster.HalfWidth(output) / _deviationsInHalfWidth;
            double weighed = forecast - (each.Quantile * deviation);
            double seconds = _manifest.Outputs[output].TicksAhead * _periodSeconds;
            if (weighed >= limit)
            {
                double share = before < limit && weighed > before ? (limit - before) / (weighed - before) : 1;
                return (
                    beforeSeconds + (share * (seconds - beforeSeconds)),
                    NormalDistribution.Cumulative((forecast - limit) / Math.Max(deviation, 1e-12)));
            }

            (beforeSeconds, before) = (seconds, weighed);
        }

        return (double.NaN, 0);
    }

    private LimitEvent Report(Watched each, LimitStage before, LimitStage now, Reading reading, double probability)
    {
        LimitChange change = before == LimitStage.Inside
            ? LimitChange.Opened
            : now == LimitStage.Inside ? LimitChange.Closed : LimitChange.Updated;
        bool isMeasured = reading.Quality[each.Column].IsMeasured();
        double value = isMeasured ? reading.Values[each.Column] : double.NaN;
        string name = _manifest.Columns[each.Column];
        string unit = _manifest.Units[each.Column] is { Length: > 0 } text ? $" {text}" : "";
        bool isHigh = each.Side == LimitSide.High;
        string limit = string.Create(CultureInfo.InvariantCulture, $"{each.Limit:G7}{unit}");
        string message = now switch
        {
            LimitStage.Expected => string.Create(
                CultureInfo.InvariantCulture,
                $"{name} will {(isHigh ? "exceed" : "fall below")} {limit} in {TimeInWords.Of(TimeSpan.FromSeconds(each.SecondsToLimit))} "
                    + $"({100 * probability:0} % sure)."),
            LimitStage.Exceeded when isMeasured => string.Create(
                CultureInfo.InvariantCulture,
                $"{name} is {value:G5}{unit}, {(isHigh ? "above" : "below")} its limit of {limit}."),
            LimitStage.Exceeded => $"{name} was {(isHigh ? "above" : "below")} its limit of {limit} and has no value now.",
            _ => $"{name} is {(isHigh ? "below" : "above")} its limit of {limit} again, and so is its forecast.",
        };
        string id = string.Create(
            CultureInfo.InvariantCulture,
            $"{_stream}-limit-{each.Column}-{(isHigh ? "high" : "low")}-{each.StartedSeq}");
        return new LimitEvent(
            id,
            change,
            each.Column,
            each.Side,
            each.Limit,
            now,
            value,
            each.SecondsToLimit,
            now == LimitStage.Inside ? 0 : probability,
            each.Started,
            each.StageSince,
            message);
    }

    // One limit, and where its channel is.
    private sealed class Watched(int column, LimitSide side, double limit, double hysteresis, double quantile, int[] outputs)
    {
        internal int Column => column;

        internal LimitSide Side => side;

        internal double Limit => limit;

        internal double Hysteresis => hysteresis;

        internal double Quantile => quantile;

        internal int[] Outputs => outputs;

        internal LimitStage Stage { get; set; }

        internal long StartedSeq { get; set; }

        internal DateTime Started { get; set; }

        internal DateTime StageSince { get; set; }

        internal double SecondsToLimit { get; set; } = double.NaN;
    }
}
