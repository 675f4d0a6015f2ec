using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams.Engines;

namespace Edge.Streams.Forecasting;

/// <summary>
/// Steps the model and compares its forecasts: the forecast of each output waits for its tick, is compared with the reading, and its
/// error adapts the width of the interval.
/// </summary>
internal sealed class Forecaster
{
    private const double SkillRate = 1.0 / 1000;

    // A recurrent state that began empty has settled after so many ticks; what it says before tells nothing of the model's skill.
    private const int SettleTicks = 64;

    private readonly IInferenceEngine _engine;
    private readonly ModelManifest _manifest;
    private readonly float[] _x;
    private readonly float[] _y;
    private readonly float[][] _pending;
    private readonly float[][] _unchanged;
    private readonly long[][] _madeAt;
    private readonly float[] _errors;
    private readonly float[] _modelErrors;
    private readonly float[] _lastValueErrors;
    private readonly bool[] _isForecast;
    private readonly (int Low, int High)[] _quantiles;
    private readonly int[] _reconstructions;
    private readonly float[] _reconstructionErrors;
    private readonly int _forecasts;
    private readonly AdaptiveInterval[] _intervals;
    private readonly BiasCorrection[] _corrections;
    private readonly SeasonalBaseline _season;
    private readonly float[] _now;
    private double _errorSquare;
    private double _persistenceSquare;
    private double _seasonErrorSquare;
    private double _seasonSquare;
    private long _seasonSeen;

    /// <param name="engine">The model.</param>
    /// <param name="coverage">Share of actual values that an interval is to hold.</param>
    /// <param name="seasonTicks">Ticks of a season for the seasonal baseline; 0 for none.</param>
    internal Forecaster(IInferenceEngine engine, double coverage, int seasonTicks = 0)
    {
        _engine = engine;
        _manifest = engine.Manifest;
        _x = new float[_manifest.InputCount];
        _y = new float[_manifest.Outputs.Count];
        int[] forecasts = [.. _manifest.ForecastOutputs];
        _forecasts = forecasts.Length;
        _isForecast = [.. Enumerable.Range(0, _y.Length).Select(k => forecasts.Contains(k))];
        _quantiles = [.. Enumerable.Range(0, _y.Length).Select(k => _isForecast[k] ? _manifest.IntervalOutputs(k) : (-1, -1))];
        _reconstructions = [.. Enumerable.Range(0, _y.Length).Where(k => _manifest.Outputs[k].Kind == OutputKind.Reconstruction)];
        _reconstructionErrors = [.. _reconstructions.Select(_ => float.NaN)];
        int[] ahead = [.. Enumerable.Range(0, _y.Length).Select(k => _isForecast[k] ? _manifest.Outputs[k].TicksAhead : 0)];
        _pending = [.. ahead.Select(ticks => new float[ticks])];
        _unchanged = [.. ahead.Select(ticks => new float[ticks])];
        _madeAt = [.. ahead.Select(ticks => Enumerable.Repeat(long.MinValue, ticks).ToArray())];
        _corrections = [.. ahead.Select(ticks => new BiasCorrection(ticks))];
        HasOthers = _manifest.Outputs.Any(output => output.Kind is not (OutputKind.Forecast or OutputKind.Quantile));
        _errors = new float[_y.Length];
        _modelErrors = new float[_y.Length];
        _lastValueErrors = new float[_y.Length];
        _season = new SeasonalBaseline(_manifest.Columns.Count, seasonTicks);
        _now = new float[_manifest.Columns.Count];
        _intervals = Enumerable.Range(0, _y.Length).Select(k => new AdaptiveInterval(coverage, _manifest.OutputRmse?[k] ?? 1)).ToArray();
    }

    internal ModelManifest Manifest => _manifest;

    /// <summary>
    /// Reading minus forecast of each output for this tick, in standard deviations of its column; NaN where there is none to compare.
    /// </summary>
    internal ReadOnlySpan<float> Errors => _errors;

    /// <summary>The same of the model's forecasts before they were corrected: what tells models apart.</summary>
    internal ReadOnlySpan<float> ModelErrors => _modelErrors;

    /// <summary>The same of the forecast that nothing changes; NaN also where it was made while an anomaly was open.</summary>
    internal ReadOnlySpan<float> LastValueErrors => _lastValueErrors;

    /// <summary>
    /// How much better than "nothing changes" the forecasts are: 1 less the ratio of the mean squares of both errors, over about the last
    /// thousand ticks that are not abnormal and all outputs. 1 is perfect, 0 no better; NaN before the first, and forecasts of a stream's
    /// first 64 ticks do not count.
    /// </summary>
    internal double Skill => _persistenceSquare > 0 ? 1 - (_errorSquare / _persistenceSquare) : double.NaN;

    /// <summary>The same against "as it was a season ago"; NaN without a season, or before the first has passed.</summary>
    internal double SeasonalSkill => _seasonSquare > 0 ? 1 - (_seasonErrorSquare / _seasonSquare) : double.NaN;

    /// <summary>Share of readings inside their interval, over all outputs; NaN before the first.</summary>
    internal double Coverage
    {
        get
        {
            long seen = 0;
            long inside = 0;
            foreach (AdaptiveInterval interval in _intervals)
            {
                seen += interval.Seen;
                inside += interval.Inside;
            }

            return seen == 0 ? double.NaN : (double)inside / seen;
        }
    }

    /// <summary>How many outputs have forecasts from which the mean of their last errors is taken off.</summary>
    internal int Corrected => _corrections.Count(correction => correction.IsUsed);

    /// <summary>Everything the next tick depends on but <see cref="ArchiveCorrections"/>, the model's state included.</summary>
    /// <param name="snapshot">Where it is written to or read from.</param>
    /// <param name="writtenBy">When reading, the engine whose state it holds, if that is another one of the same weights.</param>
    /// <exception cref="ModelFormatException">When reading: the state is damaged or another model's.</exception>
    internal void Archive(StreamSnapshot snapshot, IInferenceEngine? writtenBy = null)
    {
        _errorSquare = snapshot.Field(_errorSquare);
        _persistenceSquare = snapshot.Field(_persistenceSquare);
        _seasonErrorSquare = snapshot.Field(_seasonErrorSquare);
        _seasonSquare = snapshot.Field(_seasonSquare);
        _seasonSeen = snapshot.Field(_seasonSeen);
        _season.Archive(snapshot);
        byte[] state = snapshot.Bytes(_engine.SaveState);
        if (snapshot.IsReading)
        {
            Restore(state, writtenBy);
        }

        snapshot.Fields<float>(_y);
        snapshot.Fields<float>(_reconstructionErrors);
        for (int k = 0; k < _pending.Length; k++)
        {
            for (int slot = 0; slot < _pending[k].Length; slot++)
            {
                snapshot.Fields(_pending[k].AsSpan(slot, 1));
                snapshot.Fields(_unchanged[k].AsSpan(slot, 1));
                _madeAt[k][slot] = snapshot.Field(_madeAt[k][slot]);
            }

            _intervals[k].Archive(snapshot);
        }
    }

    /// <summary>Reads or writes what is taken off the forecasts.</summary>
    internal void ArchiveCorrections(StreamSnapshot snapshot)
    {
        foreach (BiasCorrection correction in _corrections)
        {
            correction.Archive(snapshot);
        }
    }

    /// <summary>Takes nothing off, as after a state without corrections.</summary>
    internal void ClearCorrections() => Array.ForEach(_corrections, correction => correction.Clear());

    /// <summary>Compares the row of tick <paramref name="seq"/> with its forecasts.</summary>
    /// <param name="seq">The tick.</param>
    /// <param name="reading">Its row.</param>
    /// <param name="isAbnormal">Whether the row is abnormal: what a fault makes of the readings says nothing of the model's skill.</param>
    internal void Observe(long seq, Reading reading, bool isAbnormal)
    {
        for (int i = 0; i < _now.Length; i++)
        {
            _now[i] = reading.Quality[i].IsMeasured() ? _manifest.Normalize(i, reading.Values[i]) : float.NaN;
        }

        for (int k = 0; k < _errors.Length; k++)
        {
            (_errors[k], _modelErrors[k], _lastValueErrors[k]) = (float.NaN, float.NaN, float.NaN);
            if (!_isForecast[k])
            {
                continue;
            }

            (int column, int ahead, _) = _manifest.Outputs[k];
            int slot = (int)(seq % ahead);
            if (_madeAt[k][slot] == seq - ahead && !float.IsNaN(_now[column]))
            {
                _errors[k] = _now[column] - _pending[k][slot];
                _modelErrors[k] = _errors[k] + _corrections[k].Added(slot);
                _intervals[k].Observe(Math.Abs(_errors[k]));
                if (seq - ahead >= SettleTicks)
                {
                    _corrections[k].Observe(slot, _errors[k]);
                }

                if (!isAbnormal && !float.IsNaN(_unchanged[k][slot]))
                {
                    _lastValueErrors[k] = _now[column] - _unchanged[k][slot];
                    Compare(k, _lastValueErrors[k]);
                    CompareSeason(_errors[k], _now[column] - _season.Before(seq, column));
                }
            }
        }

        // What a reconstruction missed of the row before is known now.
        for (int i = 0; i < _reconstructions.Length; i++)
        {
            _errors[_reconstructions[i]] = _reconstructionErrors[i];
            _modelErrors[_reconstructions[i]] = _reconstructionErrors[i];
            _reconstructionErrors[i] = float.NaN;
        }

        for (int i = 0; i < _now.Length; i++)
        {
            _season.Keep(seq, i, _now[i]);
        }
    }

    /// <summary>What the model is stepped with, after <see cref="Prepare"/>.</summary>
    internal ReadOnlySpan<float> Inputs => _x;

    /// <summary>Receives what the model gives, before <see cref="Complete"/>.</summary>
    internal Span<float> Outputs => _y;

    /// <summary>Steps the model with a usable row.</summary>
    /// <param name="seq">The tick.</param>
    /// <param name="reading">Its row.</param>
    /// <param name="isAbnormal">Whether the row is abnormal: forecasts from such a row do not count for the skill.</param>
    internal void Step(long seq, Reading reading, bool isAbnormal)
    {
        Prepare(reading);
        StepModel();
        Complete(seq, isAbnormal);
    }

    /// <summary>Rows were missed after tick <paramref name="seq"/>, which have no numbers.</summary>
    internal void Skip(long seq, long missed)
    {
        _engine.Skip(missed);
        _season.Skip(seq, missed);
        foreach (long[] madeAt in _madeAt)
        {
            Array.Fill(madeAt, long.MinValue);
        }
    }

    /// <summary>The rows of so many ticks, up to <paramref name="seq"/>, were not seen here.</summary>
    internal void Miss(long seq, long missed)
    {
        _engine.Skip(missed);
        for (long tick = seq - missed + 1; tick <= seq; tick++)
        {
            for (int column = 0; column < _now.Length; column++)
            {
                _season.Keep(tick, column, float.NaN);
            }
        }
    }

    /// <summary>This row could not be used: the model is not stepped.</summary>
    internal void SkipModel() => _engine.Skip(1);

    /// <summary>Normalizes a usable row.</summary>
    internal void Prepare(Reading reading)
    {
        for (int i = 0; i < _now.Length; i++)
        {
            _x[i] = _manifest.Normalize(i, reading.Values[i]);
        }

        CalendarInputs.Fill(_manifest.Calendar, reading.Time, _x.AsSpan(_now.Length));
    }

    /// <summary>Steps the model with the row that was prepared.</summary>
    internal void StepModel() => _engine.Step(_x, _y);

    /// <summary>Takes what the step gave.</summary>
    /// <param name="seq">The tick.</param>
    /// <param name="isAbnormal">Whether the row is abnormal.</param>
    internal void Complete(long seq, bool isAbnormal)
    {
        if (!IsReady)
        {
            return;
        }

        for (int i = 0; i < _reconstructions.Length; i++)
        {
            int column = _manifest.Outputs[_reconstructions[i]].Column;
            _reconstructionErrors[i] = float.IsNaN(_now[column]) ? float.NaN : _now[column] - _y[_reconstructions[i]];
        }

        for (int k = 0; k < _y.Length; k++)
        {
            if (!_isForecast[k])
            {
                continue;
            }

            int slot = (int)(seq % _manifest.Outputs[k].TicksAhead);
            Correct(k, slot);
            _pending[k][slot] = _y[k];
            _unchanged[k][slot] = isAbnormal || seq < SettleTicks ? float.NaN : _x[_manifest.Outputs[k].Column];
            _madeAt[k][slot] = seq;
        }
    }

    // The ends of its interval move with the forecast.
    private void Correct(int output, int slot)
    {
        float added = _corrections[output].Add(slot);
        if (added != 0)
        {
            _y[output] += added;
            (int low, int high) = _quantiles[output];
            if (low >= 0)
            {
                _y[low] += added;
            }

            if (high >= 0)
            {
                _y[high] += added;
            }
        }
    }

    private void Restore(byte[] state, IInferenceEngine? writtenBy)
    {
        if (writtenBy is null)
        {
            _engine.RestoreState(state);
            return;
        }

        writtenBy.RestoreState(state);
        _engine.ImportState(writtenBy.ExportState());
    }

    // Both errors of an output: the mean of the first thousand ticks, then an exponential average.
    private void Compare(int output, double persistence)
    {
        double rate = Math.Max(SkillRate, 1.0 / _intervals[output].Seen) / _forecasts;
        _errorSquare += rate * ((_errors[output] * _errors[output]) - _errorSquare);
        _persistenceSquare += rate * ((persistence * persistence) - _persistenceSquare);
    }

    private void CompareSeason(double error, float seasonal)
    {
        if (!float.IsNaN(seasonal))
        {
            double rate = Math.Max(SkillRate / _forecasts, 1.0 / ++_seasonSeen);
            _seasonErrorSquare += rate * ((error * error) - _seasonErrorSquare);
            _seasonSquare += rate * (((double)seasonal * seasonal) - _seasonSquare);
        }
    }

    /// <summary>Whether the model has outputs that forecast a column.</summary>
    internal bool HasForecasts => _forecasts > 0;

    /// <summary>Whether the model has outputs that are neither forecasts nor the interval of one.</summary>
    internal bool HasOthers { get; }

    /// <summary>Whether the last step gave outputs: a model of windows gives none before its window is full.</summary>
    internal bool IsReady => !float.IsNaN(_y[0]);

    /// <summary>The newest value of an output, in its unit.</summary>
    internal double Value(int output) => _manifest.DenormalizeOutput(output, _y[output]);

    /// <summary>Standard deviation of an output's column, in its unit.</summary>
    internal double Deviation(int output) => _manifest.Std[_manifest.Outputs[output].Column];

    /// <summary>Lower end of a forecast's interval: the model's lowest quantile, or the forecast less half the measured width.</summary>
    internal double Low(int output) => _quantiles[output].Low is >= 0 and var low
        ? Math.Min(Value(low), Value(output))
        : Value(output) - HalfWidth(output);

    /// <summary>Upper end of a forecast's interval.</summary>
    internal double High(int output) => _quantiles[output].High is >= 0 and var high
        ? Math.Max(Value(high), Value(output))
        : Value(output) + HalfWidth(output);

    /// <summary>Half the width of its interval, in its column's unit.</summary>
    internal double HalfWidth(int output) => _intervals[output].HalfWidth * Deviation(output);
}
