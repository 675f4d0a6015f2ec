using Edge.Inference.Cells;
using Edge.Quantize.Calibration;
using Edge.Training.Reference;

namespace Edge.Quantize.Evaluation;

/// <summary>The scored rows with one column raised, and what the float model says of them: the same for every int8 candidate.</summary>
/// <param name="Column">The column.</param>
/// <param name="By">By how many standard deviations.</param>
/// <param name="Rows">The rows.</param>
/// <param name="Expected">The float model's outputs of every row.</param>
internal sealed record RaisedRows(int Column, double By, ReadingsFile Rows, float[] Expected)
{
    private const int RowsMax = 2_000;
    private const int RowsMin = 100;
    private const double Operations = 1e10;
    private const int ColumnsMax = 16;

    // Beyond the largest value seen.
    private const float Margin = 10;

    /// <summary>The row from which a state is carried to the first raised row.</summary>
    internal static int WarmupBegin(FloatRun reference) => Math.Max(0, reference.Begin - Most(reference));

    /// <summary>
    /// Raises each column of readings of the scored rows so that the smallest of them lies ten standard deviations above the largest ever
    /// seen, from the state that the rows before left. Empty for a model that reads nothing but symbols.
    /// </summary>
    internal static IReadOnlyList<RaisedRows> Of(FloatRun reference)
    {
        if (ColumnsOf(reference) == 0)
        {
            return [];
        }

        var session = new FloatSession(reference.Model);
        float[] unused = new float[reference.Model.OutputCount];
        for (int row = WarmupBegin(reference); row < reference.Begin; row++)
        {
            session.Step(reference.Readings.Row(row), unused);
        }

        byte[] state = session.Save();
        int end = Math.Min(reference.End, reference.Begin + Most(reference));
        var raised = new List<RaisedRows>();
        for (int column = 0; column < ColumnsOf(reference); column++)
        {
            (float smallest, float largest, double std) = Range(reference, column, end);
            float by = largest - smallest + (Margin * (float)std);
            ReadingsFile rows = reference.Readings.Shifted(reference.Begin, end, column, by);
            session.Restore(state);
            raised.Add(new RaisedRows(column, by / std, rows, Run(session, rows)));
        }

        return raised;
    }

    private static int ColumnsOf(FloatRun reference) =>
        Math.Min(ColumnsMax, Math.Min(reference.Manifest.Columns.Count, reference.Model.ReadingCount));

    private static int Most(FloatRun reference) =>
        StepBudget.Of(reference.Model, Operations / ColumnsOf(reference) / 2, RowsMin, RowsMax);

    // Readings are in standard deviations already, unless the model normalizes for itself: then the deviation is measured.
    private static (float Smallest, float Largest, double Std) Range(FloatRun reference, int column, int end)
    {
        var all = default(ErrorSum);
        float largest = float.NegativeInfinity;
        float smallest = float.PositiveInfinity;
        for (int row = 0; row < reference.Readings.RowCount; row++)
        {
            float value = reference.Readings.Row(row)[column];
            all.Add(value);
            largest = Math.Max(largest, value);
            smallest = row >= reference.Begin && row < end ? Math.Min(smallest, value) : smallest;
        }

        return (smallest, largest, reference.Model.Normalization is null ? 1 : Math.Max(all.Deviation, 1e-6));
    }

    private static float[] Run(FloatSession session, ReadingsFile rows)
    {
        int outputs = session.Model.OutputCount;
        float[] y = new float[rows.RowCount * outputs];
        for (int row = 0; row < rows.RowCount; row++)
        {
            session.Step(rows.Row(row), y.AsSpan(row * outputs, outputs));
        }

        return y;
    }
}
