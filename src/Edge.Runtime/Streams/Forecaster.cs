using Edge.Inference.Models;
using Edge.Runtime.Engines;
using Edge.Runtime.Sensors;

namespace Edge.Runtime.Streams;

/// <summary>
/// Steps the model and keeps its promises: every output's forecast waits until its tick comes, is compared with what came,
/// and its error sets the width of the interval from then on.
/// </summary>
internal sealed class Forecaster
{
    private readonly IInferenceEngine _engine;
    private readonly ModelManifest _manifest;
    private readonly float[] _x;
    private readonly float[] _y;
    private readonly float[][] _pending;
    private readonly long[][] _madeAt;
    private readonly float[] _errors;
    private readonly AdaptiveInterval[] _intervals;

    internal Forecaster(IInferenceEngine engine, double coverage)
    {
        _engine = engine;
        _manifest = engine.Manifest;
        _x = new float[_manifest.Columns.Count];
        _y = new float[_manifest.Outputs.Count];
        _pending = _manifest.Outputs.Select(output => new float[output.TicksAhead]).ToArray();
        _madeAt = _manifest.Outputs.Select(output => Enumerable.Repeat(long.MinValue, output.TicksAhead).ToArray()).ToArray();
        _errors = new float[_y.Length];
        _intervals = Enumerable.Range(0, _y.Length).Select(k => new AdaptiveInterval(coverage, _manifest.OutputRmse?[k] ?? 1)).ToArray();
    }

    /// <summary>Actual less forecast of each output for this tick, in standard deviations of its column; NaN where there is none to compare.</summary>
    internal ReadOnlySpan<float> Errors => _errors;

    /// <summary>Share of actual values that lay inside their interval, over all outputs; NaN before the first.</summary>
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

    /// <summary>Everything the next tick depends on, the model's state included.</summary>
    internal void Save(BinaryWriter to)
    {
        byte[] state = _engine.SaveState();
        to.Write(state.Length);
        to.Write(state);
        foreach (float value in _y)
        {
            to.Write(value);
        }

        for (int k = 0; k < _pending.Length; k++)
        {
            for (int slot = 0; slot < _pending[k].Length; slot++)
            {
                to.Write(_pending[k][slot]);
                to.Write(_madeAt[k][slot]);
            }

            _intervals[k].Save(to);
        }
    }

    /// <exception cref="ModelFormatException">The state is damaged or another model's.</exception>
    internal void Load(BinaryReader from)
    {
        _engine.RestoreState(from.ReadBytes(from.ReadInt32()));
        for (int k = 0; k < _y.Length; k++)
        {
            _y[k] = from.ReadSingle();
        }

        for (int k = 0; k < _pending.Length; k++)
        {
            for (int slot = 0; slot < _pending[k].Length; slot++)
            {
                _pending[k][slot] = from.ReadSingle();
                _madeAt[k][slot] = from.ReadInt64();
            }

            _intervals[k].Load(from);
        }
    }

    /// <summary>Compares what came on tick <paramref name="seq"/> with what was forecast for it.</summary>
    internal void Observe(long seq, Reading reading)
    {
        for (int k = 0; k < _errors.Length; k++)
        {
            (int column, int ahead, _) = _manifest.Outputs[k];
            int slot = (int)(seq % ahead);
            _errors[k] = float.NaN;
            if (_madeAt[k][slot] == seq - ahead && reading.Quality[column].IsMeasured())
            {
                _errors[k] = _manifest.Normalise(column, reading.Values[column]) - _pending[k][slot];
                _intervals[k].Observe(Math.Abs(_errors[k]));
            }
        }
    }

    /// <summary>Takes a usable row through the model.</summary>
    internal void Step(long seq, Reading reading)
    {
        for (int i = 0; i < _x.Length; i++)
        {
            _x[i] = _manifest.Normalise(i, reading.Values[i]);
        }

        _engine.Step(_x, _y);
        for (int k = 0; k < _y.Length; k++)
        {
            int slot = (int)(seq % _manifest.Outputs[k].TicksAhead);
            _pending[k][slot] = _y[k];
            _madeAt[k][slot] = seq;
        }
    }

    /// <summary>The newest forecast of an output, in its column's unit.</summary>
    internal double Value(int output) => _manifest.Denormalise(_manifest.Outputs[output].Column, _y[output]);

    /// <summary>Half the width of its interval, in its column's unit.</summary>
    internal double HalfWidth(int output) => _intervals[output].HalfWidth * _manifest.Std[_manifest.Outputs[output].Column];
}
