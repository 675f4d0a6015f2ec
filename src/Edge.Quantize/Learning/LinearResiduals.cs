using Edge.Training.Reference;

namespace Edge.Quantize.Learning;

/// <summary>What a linear forecast leaves of the targets, for the net beside it.</summary>
internal sealed class LinearResiduals
{
    private readonly float[] _residuals;
    private readonly double[] _square;

    /// <param name="rows">The recording.</param>
    /// <param name="targets">What is to be forecast.</param>
    /// <param name="regression">The linear forecast.</param>
    internal LinearResiduals(TrainingRows rows, ForecastTargets targets, FloatLagRegression regression)
    {
        Regression = regression;
        int outputs = targets.Outputs.Count;
        _residuals = new float[rows.RowCount * outputs];
        var training = new Evaluation.ErrorSum[outputs];
        var choosing = new Evaluation.ErrorSum[outputs];
        var state = new float[regression.StateCount];
        var said = new float[outputs];
        for (int row = 0; row < rows.ValidationEnd; row++)
        {
            said.AsSpan().Clear();
            regression.Step(state, rows.Row(row), said);
            int end = row < rows.TrainEnd ? rows.TrainEnd : rows.ValidationEnd;
            for (int k = 0; k < outputs; k++)
            {
                float residual = targets.Of(row, k, end) - said[k];
                _residuals[(row * outputs) + k] = residual;
                if (!float.IsNaN(residual))
                {
                    (row < rows.TrainEnd ? training : choosing)[k].Add(residual);
                }
            }
        }

        Deviation = [.. training.Select(sum => (float)Math.Max(sum.Rms, 1e-6))];
        _square = [.. choosing.Select(sum => Math.Max(sum.Rms * sum.Rms, 1e-12))];
        for (int at = 0; at < _residuals.Length; at++)
        {
            _residuals[at] /= Deviation[at % outputs];
        }
    }

    internal FloatLagRegression Regression { get; }

    /// <summary>Deviation of the residuals of each output over the training rows.</summary>
    internal float[] Deviation { get; }

    /// <summary>Target minus linear forecast of each output in units of its deviation; NaN where the target is not known.</summary>
    internal ReadOnlySpan<float> Of(int row) => _residuals.AsSpan(row * Deviation.Length, Deviation.Length);

    /// <summary>The square error of an output on the rows after the training rows, as a share of that of another forecast.</summary>
    internal double SquareBeside(LinearResiduals other, int output) => _square[output] / other._square[output];

    /// <summary>The same as a mean over the outputs.</summary>
    internal double ScoreBeside(LinearResiduals other) => Enumerable.Range(0, _square.Length).Average(k => SquareBeside(other, k));
}
