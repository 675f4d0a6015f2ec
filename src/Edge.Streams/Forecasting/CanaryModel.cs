using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams.Engines;

namespace Edge.Streams.Forecasting;

/// <summary>Result of comparing a new model with the model in use.</summary>
/// <param name="Ticks">Ticks on which both were compared.</param>
/// <param name="ErrorRatio">Root mean square error of the new one over that of the old one.</param>
/// <param name="Noise">Two standard errors of that ratio, from how the squared errors differ from tick to tick.</param>
public readonly record struct CanaryVerdict(long Ticks, double ErrorRatio, double Noise)
{
    // Smallest tolerance: a state that started at zero is still slightly wrong after the first ticks, and one percent is no reason to keep
    // an older model. Largest tolerance: a model that is worse by more is refused, however noisy the comparison was.
    private const double MarginMin = 0.01;
    private const double MarginMax = 0.05;

    /// <summary>Whether the new model is not significantly worse.</summary>
    public bool IsNoWorse => ErrorRatio <= 1 + Math.Clamp(Noise, MarginMin, MarginMax);
}

/// <summary>
/// A new model in its canary phase: it steps on the same readings without publishing, and is compared with the model in use, or with the
/// last value where there is none yet.
/// </summary>
public sealed class CanaryModel : IDisposable
{
    // The state of the new model starts empty: its first forecasts are not compared, nor those before it knows all rows that it reads.
    private const int SettleTicksMax = 500;

    // After ticks that it has missed, its state settles again over so many times as many.
    private const int SettleFactor = 10;
    private const int ShaBytes = 32;

    private readonly ModelManifest _old;
    private readonly long _ticksWanted;
    private readonly double[] _scale;
    private readonly long _settleTicks;
    private readonly bool _hasErrors;
    private long _seen;
    private double _newSquare;
    private double _differenceSquare;
    private double _oldSquare;

    /// <param name="engine">The new model; this object owns it.</param>
    /// <param name="old">The manifest of the one in use, of the same columns and outputs.</param>
    /// <param name="config">Options of intervals and season.</param>
    /// <param name="period">Time from tick to tick.</param>
    /// <param name="ticks">Ticks to compare, at least 1.</param>
    internal CanaryModel(IInferenceEngine engine, ModelManifest old, ForecastOptions config, TimeSpan period, long ticks)
    {
        Engine = engine;
        Forecaster = new Forecaster(engine, config.Interval, config.SeasonTicks(period));
        _old = old;
        _ticksWanted = ticks;
        _settleTicks = Math.Max(Math.Min(SettleTicksMax, ticks), engine.LagRowCount);

        // Of values and classes no one knows what they missed: such a model is no worse once it has run for as long.
        _hasErrors = engine.Manifest.Outputs.Any(
            output => output.Kind is OutputKind.Forecast or OutputKind.Quantile or OutputKind.Reconstruction);

        // Errors are in deviations of each model's own columns.
        _scale =
        [
            .. engine.Manifest.Outputs.Select(
                output => output.Column < 0 || !old.IsTrained ? 1 : engine.Manifest.Std[output.Column] / old.Std[output.Column]),
        ];
    }

    /// <summary>The new model.</summary>
    public IInferenceEngine Engine { get; }

    internal Forecaster Forecaster { get; }

    /// <summary>Ticks that were compared so far.</summary>
    internal long Compared { get; private set; }

    /// <summary>The result; null until enough ticks were compared.</summary>
    internal CanaryVerdict? Verdict { get; private set; }

    /// <summary>Steps one tick, after the model in use was compared with it.</summary>
    internal void Observe(long seq, Reading reading, ReadOnlySpan<float> oldErrors, bool isAbnormal)
    {
        Forecaster.Observe(seq, reading, isAbnormal);
        oldErrors = _old.IsTrained ? oldErrors : Forecaster.LastValueErrors;
        if (++_seen <= _settleTicks || Verdict is not null)
        {
            return;
        }

        bool isCompared = !_hasErrors;
        double difference = 0;
        for (int k = 0; k < oldErrors.Length; k++)
        {
            double error = Forecaster.ModelErrors[k] * _scale[k];
            if (double.IsFinite(error) && float.IsFinite(oldErrors[k]))
            {
                double old = (double)oldErrors[k] * oldErrors[k];
                _newSquare += error * error;
                _oldSquare += old;
                difference += (error * error) - old;
                isCompared = true;
            }
        }

        _differenceSquare += difference * difference;

        if (isCompared && ++Compared >= _ticksWanted)
        {
            Verdict = Judge();
        }
    }

    // The sum of n differences of variance v is off by about sqrt(n v); a ratio of roots by half of that over the old sum.
    private CanaryVerdict Judge()
    {
        double mean = (_newSquare - _oldSquare) / Compared;
        double variance = Math.Max(0, (_differenceSquare / Compared) - (mean * mean));
        return _newSquare == _oldSquare ? new CanaryVerdict(Compared, 1, 0)
            : _oldSquare > 0 ? new CanaryVerdict(
                Compared,
                Math.Sqrt(_newSquare / _oldSquare),
                Math.Sqrt(Compared * variance) / _oldSquare)
            : new CanaryVerdict(Compared, double.PositiveInfinity, 0);
    }

    /// <summary>The comparison so far.</summary>
    /// <param name="seq">The last tick.</param>
    internal byte[] Save(long seq)
    {
        using var bytes = new MemoryStream();
        var to = StreamSnapshot.Write(bytes);
        to.Fields<byte>(Convert.FromHexString(Engine.ModelSha256));
        to.Field(seq);
        Archive(to);
        return bytes.ToArray();
    }

    /// <summary>Continues a comparison of the same model. The ticks since then are missing: it settles again after them.</summary>
    /// <param name="saved">Result of <see cref="Save"/>.</param>
    /// <param name="seq">The last tick.</param>
    /// <param name="skipped">Ticks without numbers that were missed since then.</param>
    /// <returns>False if it was of another model or configuration; do not use this object then.</returns>
    internal bool TryResume(byte[] saved, long seq, long skipped)
    {
        byte[] own = Save(seq);
        if (saved.Length != own.Length || !saved.AsSpan(0, ShaBytes).SequenceEqual(own.AsSpan(0, ShaBytes)))
        {
            return false;
        }

        var from = StreamSnapshot.Read(new MemoryStream(saved[ShaBytes..]));
        long before = from.Field(0L);
        long missed = seq - before;
        try
        {
            Archive(from);
        }
        catch (ModelFormatException)
        {
            return false;
        }

        if (skipped > 0)
        {
            Forecaster.Skip(before, skipped);
        }

        if (missed > 0)
        {
            Forecaster.Miss(seq, missed);
            _seen = Math.Min(_seen, _settleTicks - Math.Min(_settleTicks, Math.Min(SettleTicksMax, SettleFactor * missed)));
        }

        Verdict = Compared >= _ticksWanted ? Judge() : null;
        return true;
    }

    internal void Step(long seq, Reading reading, bool isAbnormal) => Forecaster.Step(seq, reading, isAbnormal);

    /// <inheritdoc/>
    public void Dispose() => Engine.Dispose();

    /// <summary>Whether a model can replace another: same columns in the same order and units, same symbols, same outputs.</summary>
    public static bool Fits(ModelManifest old, ModelManifest next) =>
        next.Columns.SequenceEqual(old.Columns)
            && next.Units.SequenceEqual(old.Units)
            && next.SymbolColumn == old.SymbolColumn
            && (next.SymbolColumn < 0 || next.SymbolCount == old.SymbolCount)
            && next.Outputs.SequenceEqual(old.Outputs)
            && next.PeriodSeconds == old.PeriodSeconds
            && next.Name == old.Name;

    private void Archive(StreamSnapshot snapshot)
    {
        _seen = snapshot.Field(_seen);
        Compared = snapshot.Field(Compared);
        _newSquare = snapshot.Field(_newSquare);
        _differenceSquare = snapshot.Field(_differenceSquare);
        _oldSquare = snapshot.Field(_oldSquare);
        Forecaster.Archive(snapshot);
        Forecaster.ArchiveCorrections(snapshot);
    }
}
