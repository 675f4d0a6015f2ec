using Edge.Streams.Detection;

namespace Edge.Benchmarks;

/// <summary>
/// A chart of no model of ours, to compare with: what each channel differs by from a ridge on the others (as they are, averaged over 10 and
/// 60 rows, and squared), averaged over 3, 30 and 200 rows. The ridge is of the first half of the calm rows; each limit is 1.3 times the
/// largest value on the second. As ../shared/data/plants/chart.py has it.
/// </summary>
internal sealed class RidgeChart
{
    private const double Penalty = 0.1;
    private const double LimitFactor = 1.3;

    // The averages begin with the first row, whatever it is.
    private const int UnusedRows = 400;

    // Alarms that are closer are one.
    private const int JoinRows = 60;

    private static readonly int[] Spans = [3, 30, 200];

    private readonly double[] _mean;
    private readonly double[] _deviation;
    private readonly double[][] _weights;
    private readonly double[][] _limits;

    /// <param name="calm">Rows without a fault: [rows][channels].</param>
    internal RidgeChart(double[][] calm)
    {
        int channels = calm[0].Length;
        int half = calm.Length / 2;
        _mean = [.. Enumerable.Range(0, channels).Select(k => calm.Average(row => row[k]))];
        _deviation = [.. _mean.Select((mean, k) => Math.Max(1e-9, Math.Sqrt(calm.Average(row => Math.Pow(row[k] - mean, 2)))))];
        _weights = [.. Enumerable.Range(0, channels).Select(k => Fit(calm[..half], k))];
        _limits = [.. Enumerable.Range(0, channels).Select(k => Largest(calm, k, half))];
    }

    /// <summary>Rows at which an alarm begins, in order.</summary>
    internal List<int> Alarms(double[][] rows)
    {
        var isOver = new bool[rows.Length];
        for (int channel = 0; channel < _mean.Length; channel++)
        {
            foreach ((int row, double[] averages) in Averages(rows, channel))
            {
                isOver[row] |= row >= UnusedRows && averages.Zip(_limits[channel]).Any(pair => Math.Abs(pair.First) > pair.Second);
            }
        }

        var begins = new List<int>();
        int last = -JoinRows;
        for (int row = 0; row < rows.Length; row++)
        {
            if (isOver[row])
            {
                if (row - last >= JoinRows)
                {
                    begins.Add(row);
                }

                last = row;
            }
        }

        return begins;
    }

    private double[] Fit(double[][] rows, int channel)
    {
        var ridge = new RidgeRegression(InputCount, targets: 1, folds: 1);
        foreach ((double value, double[] inputs) in Inputs(rows, channel))
        {
            ridge.Add(0, [.. inputs.Select(input => (float)input)], [(float)value]);
        }

        return ridge.Solve(0, [.. Enumerable.Range(0, InputCount)], Penalty);
    }

    private double[] Largest(double[][] calm, int channel, int from)
    {
        var largest = new double[Spans.Length];
        foreach ((_, double[] averages) in Averages(calm, channel).Skip(from))
        {
            for (int span = 0; span < Spans.Length; span++)
            {
                largest[span] = Math.Max(largest[span], LimitFactor * Math.Abs(averages[span]));
            }
        }

        return largest;
    }

    private int InputCount => (4 * (_mean.Length - 1)) + 1;

    // What the channel differs by from its ridge, averaged over each span: the same array at each row.
    private IEnumerable<(int Row, double[] Averages)> Averages(double[][] rows, int channel)
    {
        var averages = new double[Spans.Length];
        int row = 0;
        foreach ((double value, double[] inputs) in Inputs(rows, channel))
        {
            double residual = value - inputs.Zip(_weights[channel], (input, weight) => input * weight).Sum();
            for (int span = 0; span < Spans.Length; span++)
            {
                averages[span] += row == 0 ? residual : (residual - averages[span]) / Spans[span];
            }

            yield return (row++, averages);
        }
    }

    // The channel and the inputs of its ridge, in deviations: the same array at each row.
    private IEnumerable<(double Value, double[] Inputs)> Inputs(double[][] rows, int channel)
    {
        int[] others = [.. Enumerable.Range(0, _mean.Length).Where(other => other != channel)];
        var inputs = new double[InputCount];
        inputs[^1] = 1;
        for (int row = 0; row < rows.Length; row++)
        {
            for (int i = 0; i < others.Length; i++)
            {
                double value = Normal(others[i]);
                inputs[4 * i] = value;
                inputs[(4 * i) + 1] += row == 0 ? value : (value - inputs[(4 * i) + 1]) / 10;
                inputs[(4 * i) + 2] += row == 0 ? value : (value - inputs[(4 * i) + 2]) / 60;
                inputs[(4 * i) + 3] = value * value;
            }

            yield return (Normal(channel), inputs);

            double Normal(int k) => (rows[row][k] - _mean[k]) / _deviation[k];
        }
    }
}
