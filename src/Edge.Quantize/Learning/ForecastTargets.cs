using Edge.Inference.Models;

namespace Edge.Quantize.Learning;

/// <summary>What the outputs of a model shall say at each row.</summary>
internal sealed class ForecastTargets
{
    private readonly TrainingRows _rows;
    private readonly Dictionary<int, int[]> _ahead;

    /// <param name="rows">The recording.</param>
    /// <param name="outputs">Forecasts of its columns.</param>
    internal ForecastTargets(TrainingRows rows, IReadOnlyList<ModelOutput> outputs)
    {
        _rows = rows;
        Outputs = outputs;
        _ahead = outputs.Select(output => output.TicksAhead).Distinct().ToDictionary(ticks => ticks, rows.RowsAhead);
    }

    internal IReadOnlyList<ModelOutput> Outputs { get; }

    /// <summary>The normalized target of an output; NaN where it was not measured, lies beyond the rows, or is part of a fault.</summary>
    /// <param name="row">The row at which the forecast is made.</param>
    /// <param name="output">Which output.</param>
    /// <param name="end">Rows from here on are not known.</param>
    internal float Of(int row, int output, int end)
    {
        ModelOutput of = Outputs[output];
        int ahead = _ahead[of.TicksAhead][row];
        return ahead >= 0 && ahead < end && _rows.IsKnown(ahead, of.Column) && !_rows.IsFault[row] && !_rows.IsFault[ahead]
            ? _rows.Row(ahead)[of.Column]
            : float.NaN;
    }
}
