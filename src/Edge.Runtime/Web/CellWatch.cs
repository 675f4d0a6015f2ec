using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Engines;

namespace Edge.Runtime.Web;

/// <summary>What the units of a model do at one time: gates, cell states and outputs, layer by layer.</summary>
/// <param name="TimeMs">In ms since 1970.</param>
/// <param name="Inputs">What the model read, in standard deviations from the mean.</param>
/// <param name="Layers">
/// Of each recurrent layer: the gates that <see cref="CellTrace.GateNames"/> names, the cell states if it has any, the outputs; of the
/// first <see cref="CellWatch.UnitsMax"/> units.
/// </param>
internal sealed record CellFrame(long TimeMs, float[] Inputs, float[][][] Layers);

/// <summary>
/// A look into the cell of a stream. While a client watches, its thread also steps the scalar kernel, from the state that the stream had:
/// it gives the same bytes and shows the gates. Without a watching client nothing is done.
/// </summary>
internal sealed class CellWatch
{
    /// <summary>Most units of a layer that are shown.</summary>
    internal const int UnitsMax = 64;

    /// <summary>Frames that are kept.</summary>
    internal const int FramesMax = 240;

    private readonly EdgeModel _model;
    private readonly CellTrace _trace;
    private readonly float[] _x;
    private readonly float[] _y;
    private readonly Queue<CellFrame> _frames = new();
    private bool _isFollowing;

    internal CellWatch(EdgeModel model)
    {
        _model = model;
        _trace = new CellTrace(model);
        _x = new float[model.InputCount];
        _y = new float[model.OutputCount];
        Layers = [.. Enumerable.Range(0, model.Layers.Length).Where(l => model.Layers[l].IsRecurrent)];
    }

    /// <summary>The model of a stream, if its cell can be shown: the int8 engine without a rollout.</summary>
    internal static EdgeModel? ModelOf(SensorStream stream) => (stream.Engine as Int8Engine)?.Model;

    internal bool IsOf(EdgeModel model) => _model.Sha256 == model.Sha256;

    /// <summary>The recurrent layers.</summary>
    internal int[] Layers { get; }

    /// <summary>Frames so far; the newest has the number one less.</summary>
    internal long Written { get; private set; }

    /// <summary>Names of what a layer shows.</summary>
    internal static string[] PartsOf(Layer layer) =>
        [.. CellTrace.GateNames(layer), .. layer is LstmCell ? new[] { "cell state c" } : [], "hidden state h"];

    /// <summary>Steps beside the stream. Called by its thread, after each tick.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="tick">Its tick.</param>
    /// <param name="isUsable">Whether the model was stepped.</param>
    /// <param name="isShown">Whether a frame is wanted of this tick.</param>
    internal void Observe(SensorStream stream, StreamTick tick, bool isUsable, bool isShown)
    {
        if (ModelOf(stream) is not { } model || model.Sha256 != _model.Sha256)
        {
            _isFollowing = false;
            return;
        }

        byte[] saved = stream.Engine.SaveState();
        if (_isFollowing && isUsable)
        {
            int columns = model.Manifest.Columns.Count;
            for (int i = 0; i < columns; i++)
            {
                _x[i] = model.Manifest.Normalize(i, tick.Reading.Values[i]);
            }

            CalendarInputs.Fill(model.Manifest.Calendar, tick.Reading.Time, _x.AsSpan(columns));

            _trace.Step(_x, _y);
        }

        // The first look, a reset or another state: follow from here on.
        if (!_isFollowing || !_trace.IsAt(saved))
        {
            _trace.Restore(saved);
            _isFollowing = true;
            return;
        }

        if (isUsable && isShown)
        {
            Keep(new CellFrame(PageEvent.Milliseconds(tick.Reading.Time), [.. _x.Take(UnitsMax)], [.. Layers.Select(Look)]));
        }
    }

    /// <summary>The frames from a number on.</summary>
    internal (CellFrame[] Frames, long Next) Read(long from)
    {
        lock (_frames)
        {
            return ([.. _frames.Skip((int)Math.Max(0, from - (Written - _frames.Count)))], Written);
        }
    }

    private void Keep(CellFrame frame)
    {
        lock (_frames)
        {
            _frames.Enqueue(frame);
            Written++;
            if (_frames.Count > FramesMax)
            {
                _frames.Dequeue();
            }
        }
    }

    private float[][] Look(int l)
    {
        Layer layer = _model.Layers[l];
        int units = layer.UnitCount;
        int shown = Math.Min(units, UnitsMax);
        int gates = CellTrace.GateNames(layer).Length;
        var parts = new List<float[]>();
        for (int gate = 0; gate < gates; gate++)
        {
            parts.Add(_trace.Gates(l).Slice(gate * units, shown).ToArray());
        }

        if (layer is LstmCell)
        {
            parts.Add([.. Enumerable.Range(0, shown).Select(unit => _trace.Cell(l, unit))]);
        }

        parts.Add(_trace.Output(l)[..shown].ToArray());
        return [.. parts];
    }
}
