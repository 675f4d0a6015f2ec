using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Reports;

/// <summary>
/// Plots readings, gates, cell and hidden state of single units over time, for int8 and, if given, float.
/// </summary>
internal sealed class TraceReport
{
    private readonly EdgeModel _model;
    private readonly ReadingsFile _readings;
    private readonly int _begin;
    private readonly int _end;
    private readonly LayerTrace[] _int8;
    private readonly LayerTrace[]? _float;

    /// <param name="model">The int8 model.</param>
    /// <param name="reference">The float model it was made from, or null.</param>
    /// <param name="readings">The rows; all of them are stepped.</param>
    /// <param name="begin">First row drawn.</param>
    /// <param name="end">One past the last row drawn.</param>
    internal TraceReport(EdgeModel model, FloatModel? reference, ReadingsFile readings, int begin, int end)
    {
        _model = model;
        _readings = readings;
        (_begin, _end) = (begin, end);
        _int8 = model.Layers.Select(layer => new LayerTrace(layer, end - begin)).ToArray();
        StepInt8();
        if (reference is not null)
        {
            _float = model.Layers.Select(layer => new LayerTrace(layer, end - begin)).ToArray();
            StepFloat(reference);
        }
    }

    /// <summary>Writes the page.</summary>
    /// <param name="path">Where.</param>
    /// <param name="units">Which units of every layer; null for the three whose output moves most.</param>
    internal void Write(string path, IReadOnlyList<int>? units)
    {
        var page = new Page();
        string title = $"{_model.Manifest.Name}: units over time";
        page.Heading(1, title);
        string lines = _float is null
            ? "int8."
            : "Float and int8 are drawn in the same plot. Where only one line is visible, they agree.";
        page.Paragraph($"{_model.Architecture}; rows {_begin} to {_end - 1}, the state carried from row 0. {lines}");
        if (_float is not null)
        {
            page.Key((1, "float"), (2, "int8"));
        }

        if (!_model.ReadsSymbols)
        {
            page.Heading(2, "Inputs");
            page.Plots(_model.Manifest.Columns.Take(12).Select((column, i) => (
                _model.Manifest.Units[i].Length > 0 ? $"{column}, {_model.Manifest.Units[i]}" : column,
                Draw(
                    Enumerable.Range(_begin, _end - _begin).Select(row => _model.Manifest.Denormalize(i, _readings.Row(row)[i])).ToArray(),
                    null))));
        }

        for (int l = 0; l < _int8.Length; l++)
        {
            foreach (int unit in (units ?? _int8[l].MostActive(3)).Where(unit => unit < _model.Layers[l].UnitCount))
            {
                page.Heading(2, $"Layer {l} ({_model.Layers[l].Type}), unit {unit}");
                int layer = l;
                page.Plots(
                    _int8[l].Names.Select((name, part) => (name, Draw(_int8[layer].Line(part, unit), _float?[layer].Line(part, unit)))));
            }
        }

        page.Write(path, title);
    }

    private string Draw(double[] int8, double[]? reference) => Plot.Lines(
        reference is null ? [new Series(int8, 1)] : [new Series(reference, 1), new Series(int8, 2)],
        $"row {_begin}",
        $"row {_end - 1}",
        130);

    private void StepInt8()
    {
        var trace = new CellTrace(_model);
        float[] y = new float[_model.OutputCount];
        for (int row = 0; row < _end; row++)
        {
            trace.Step(_readings.Row(row), y);
            for (int l = 0; l < _int8.Length && row >= _begin; l++)
            {
                _int8[l].Keep(row - _begin, trace.Gates(l), trace.Output(l), unit => trace.Cell(l, unit));
            }
        }
    }

    private void StepFloat(FloatModel reference)
    {
        var session = new FloatSession(reference);
        float[] y = new float[reference.OutputCount];
        int row = 0;
        session.Stepped = (l, scratch) =>
        {
            if (row >= _begin)
            {
                _float![l].Keep(row - _begin, scratch, session.Output(l), unit => session.Cell(l)[unit]);
            }
        };
        for (; row < _end; row++)
        {
            session.Step(_readings.Row(row), y);
        }
    }

    // Gates, cell state and output of all units of a layer over the drawn rows.
    private sealed class LayerTrace
    {
        private readonly int _units;
        private readonly int _gates;
        private readonly bool _hasCell;
        private readonly double[][] _values;

        internal LayerTrace(Layer layer, int rows)
        {
            string[] gates = CellTrace.GateNames(layer);
            _units = layer.UnitCount;
            _gates = gates.Length;
            _hasCell = layer is LstmCell;
            Names = [.. gates, .. _hasCell ? new[] { "cell state c" } : [], layer.IsRecurrent ? "hidden state h" : "output"];
            _values = Names.Select(_ => new double[rows * _units]).ToArray();
        }

        internal string[] Names { get; }

        internal void Keep(int at, ReadOnlySpan<float> gates, ReadOnlySpan<float> output, Func<int, float> cell)
        {
            for (int unit = 0; unit < _units; unit++)
            {
                for (int gate = 0; gate < _gates; gate++)
                {
                    _values[gate][(at * _units) + unit] = gates[(gate * _units) + unit];
                }

                if (_hasCell)
                {
                    _values[^2][(at * _units) + unit] = cell(unit);
                }

                _values[^1][(at * _units) + unit] = output[unit];
            }
        }

        internal double[] Line(int part, int unit) =>
            Enumerable.Range(0, _values[part].Length / _units).Select(row => _values[part][(row * _units) + unit]).ToArray();

        internal int[] MostActive(int count) => Enumerable.Range(0, _units).OrderByDescending(unit =>
        {
            double[] line = Line(_values.Length - 1, unit);
            double mean = line.Average();
            return line.Sum(value => (value - mean) * (value - mean));
        }).Take(count).Order().ToArray();
    }
}
