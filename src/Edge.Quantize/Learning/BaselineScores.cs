using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Evaluation;
using Edge.Training.Reference;

namespace Edge.Quantize.Learning;

/// <summary>
/// Root mean square errors of simple forecasts on rows that nothing was learned from, in standard deviations of each output's column.
/// </summary>
internal static class BaselineScores
{
    /// <summary>The column is as it was at the same time of the day before; not where a day is no whole number of rows.</summary>
    internal const string DayBefore = "a day before";

    /// <summary>Ridge regression on the last 24 rows of all columns.</summary>
    internal const string Ridge = "ridge, 24 rows";

    /// <summary>Another model.</summary>
    internal const string ModelInUse = "model in use";

    // Longest season in ticks.
    private const int SeasonMax = 100_000;

    /// <summary>Measures them, and the model beside them on the same rows.</summary>
    /// <param name="rows">The recording; the score is of the rows from <see cref="TrainingRows.ValidationEnd"/> on.</param>
    /// <param name="targets">The outputs, all of them forecasts.</param>
    /// <param name="ridge">The fitted baseline.</param>
    /// <param name="int8Outputs">What the model says of every row.</param>
    internal static (double[] Model, Dictionary<string, IReadOnlyList<double>> Baselines) Measure(
        TrainingRows rows, ForecastTargets targets, FloatLagRegression ridge, float[] int8Outputs)
    {
        var state = new float[ridge.StateCount];
        int outputs = targets.Outputs.Count;
        var said = new float[outputs];
        ErrorSum[] model = new ErrorSum[outputs];
        ErrorSum[] last = new ErrorSum[outputs];
        ErrorSum[] before = new ErrorSum[outputs];
        ErrorSum[] regression = new ErrorSum[outputs];
        int season = Season(rows.Period);
        for (int row = 0; row < rows.RowCount; row++)
        {
            said.AsSpan().Clear();
            ridge.Step(state, rows.Row(row), said);
            for (int k = 0; row >= rows.ValidationEnd && k < outputs; k++)
            {
                ModelOutput output = targets.Outputs[k];
                float target = targets.Of(row, k, rows.RowCount);
                if (float.IsNaN(target))
                {
                    continue;
                }

                model[k].Add(int8Outputs[(row * outputs) + k] - target);
                last[k].Add(rows.Row(row)[output.Column] - target);
                regression[k].Add(said[k] - target);
                if (season > 0 && row + output.TicksAhead - SeasonsBack(output.TicksAhead, season) is >= 0 and var then)
                {
                    before[k].Add(rows.Row(then)[output.Column] - target);
                }
            }
        }

        var baselines = new Dictionary<string, IReadOnlyList<double>> { [ModelManifest.Persistence] = Rms(last) };
        if (season > 0 && before.All(sum => sum.Count > 0))
        {
            baselines[DayBefore] = Rms(before);
        }

        baselines[Ridge] = Rms(regression);
        return (Rms(model), baselines);
    }

    /// <summary>Measures another model on the same rows, in deviations of the new one; NaN for what it does not forecast.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="targets">The outputs, all of them forecasts.</param>
    /// <param name="model">The other model; it reads the same columns.</param>
    /// <exception cref="InputException">It reads others.</exception>
    internal static double[] MeasureModel(TrainingRows rows, ForecastTargets targets, EdgeModel model)
    {
        ModelManifest manifest = model.Manifest;
        string theirs = $"{string.Join(", ", manifest.Columns)} every {manifest.PeriodSeconds} s";
        string ours = $"{string.Join(", ", rows.Columns.Select(column => column.Name))} every {rows.Period.TotalSeconds} s";
        if (theirs != ours)
        {
            throw new InputException($"--beside: model '{manifest.Name}' has the columns {theirs}; the readings have {ours}.");
        }

        int columns = manifest.Columns.Count;
        var session = new InferenceSession(model);
        var inputs = new float[manifest.InputCount];
        var said = new float[manifest.Outputs.Count];
        int[] same = [.. targets.Outputs.Select(output => manifest.Outputs.ToList().IndexOf(output))];
        ErrorSum[] sums = new ErrorSum[same.Length];
        for (int row = 0; row < rows.RowCount; row++)
        {
            for (int i = 0; i < columns; i++)
            {
                inputs[i] = manifest.Normalize(i, (rows.Row(row)[i] * rows.Std[i]) + rows.Mean[i]);
            }

            CalendarInputs.Fill(manifest.Calendar, rows.Times[row], inputs.AsSpan(columns));
            session.Step(inputs, said);
            for (int k = 0; row >= rows.ValidationEnd && k < same.Length; k++)
            {
                float target = targets.Of(row, k, rows.RowCount);
                if (same[k] >= 0 && !float.IsNaN(target))
                {
                    int column = targets.Outputs[k].Column;
                    sums[k].Add((float)((manifest.Denormalize(column, said[same[k]]) - rows.Mean[column]) / rows.Std[column]) - target);
                }
            }
        }

        return Rms(sums);
    }

    private static int Season(TimeSpan period)
    {
        double day = TimeSpan.FromDays(1) / period;
        return day is >= 2 and <= SeasonMax && Math.Abs(day - Math.Round(day)) < 1e-6 ? (int)Math.Round(day) : 0;
    }

    // As many days as it takes to know the value now.
    private static int SeasonsBack(int ahead, int season) => season * (1 + ((ahead - 1) / season));

    private static double[] Rms(ErrorSum[] sums) => [.. sums.Select(sum => sum.Count == 0 ? double.NaN : sum.Rms)];
}
