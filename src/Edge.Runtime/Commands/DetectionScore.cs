namespace Edge.Runtime.Commands;

/// <summary>Metrics of detections compared with labels. Definitions: docs/detection.md.</summary>
internal sealed class DetectionScore
{
    /// <summary>Profiles of the Numenta Anomaly Benchmark: what a false alarm and a missed window cost; a found window earns 1.</summary>
    internal static IReadOnlyList<(string Name, double FalseAlarm, double Missed)> Profiles { get; } =
        [("standard", 0.11, 1), ("reward low false alarms", 0.22, 1), ("reward low misses", 0.11, 2)];

    private readonly bool[] _labels;
    private readonly bool[] _alarms;
    private readonly int[] _detections;
    private readonly int[] _firstRows;
    private readonly List<(int First, int Last)> _windows = [];

    /// <param name="labels">For each row, whether it is abnormal.</param>
    /// <param name="alarms">For each row, whether an anomaly was open.</param>
    /// <param name="detections">Rows at which an anomaly was opened, in ascending order.</param>
    /// <param name="firstRows">First row of each run, in ascending order; a window does not reach from one run into the next.</param>
    internal DetectionScore(bool[] labels, bool[] alarms, int[] detections, params int[] firstRows)
    {
        _firstRows = firstRows;
        _labels = labels;
        _alarms = alarms;
        _detections = detections;
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] && (row == 0 || !labels[row - 1] || firstRows.Contains(row)))
            {
                _windows.Add((row, row));
            }
            else if (labels[row])
            {
                _windows[^1] = (_windows[^1].First, row);
            }
        }
    }

    internal int Windows => _windows.Count;

    /// <summary>Windows in which an anomaly was opened, or was open already.</summary>
    internal int FoundWindows => _windows.Count(window => Detection(window) >= 0);

    /// <summary>Openings outside every window.</summary>
    internal int FalseDetections => _detections.Count(row => !_labels[row]);

    /// <summary>Rows from the beginning of a window to its detection, on average over the found ones; NaN if there are none.</summary>
    internal double MeanDelayRows =>
        _windows.Select(window => Detection(window) - window.First)
            .Where(delay => delay >= 0)
            .DefaultIfEmpty(-1)
            .Average() is var mean and >= 0
            ? mean
            : double.NaN;

    private int TruePositives => Count(label: true, alarm: true);

    private int FalsePositives => Count(label: false, alarm: true);

    private int FalseNegatives => Count(label: true, alarm: false);

    internal double Precision => Ratio(TruePositives, TruePositives + FalsePositives);

    internal double Recall => Ratio(TruePositives, TruePositives + FalseNegatives);

    internal double F1 => Ratio(2 * TruePositives, (2 * TruePositives) + FalsePositives + FalseNegatives);

    /// <summary>Share of the normal rows at which an anomaly was open.</summary>
    internal double FalseAlarmRate => Ratio(FalsePositives, FalsePositives + Count(label: false, alarm: false));

    /// <summary>Share of the abnormal rows at which none was open.</summary>
    internal double MissedRate => Ratio(FalseNegatives, TruePositives + FalseNegatives);

    /// <summary>
    /// The benchmark's score, 100 for every window found at its first row and no false alarm, 0 for silence. A window scores by the first
    /// opening inside it, whatever was open before; any other opening is a false alarm, which costs more the farther it lies behind the
    /// last window of its run. Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms" (2015), as nab/sweeper.py has it.
    /// </summary>
    internal double Benchmark(double falseAlarm, double missed)
    {
        if (_windows.Count == 0)
        {
            return double.NaN;
        }

        double score = 0;
        foreach ((int First, int Last) window in _windows)
        {
            int at = Array.FindIndex(_detections, row => row >= window.First && row <= window.Last);
            score += at < 0
                ? -missed
                : Sigmoid((_detections[at] - window.Last - 1) / (double)(window.Last - window.First + 1)) / Sigmoid(-1);
        }

        foreach (int row in _detections.Where(row => !_labels[row]))
        {
            int first = Array.FindLast(_firstRows, start => start <= row);
            int before = _windows.FindLastIndex(window => window.First >= first && window.Last < row);
            score += falseAlarm * (before < 0
                ? -1
                : Sigmoid((row - _windows[before].Last) / (double)(_windows[before].Last - _windows[before].First)));
        }

        double silence = -missed * _windows.Count;
        return 100 * (score - silence) / (_windows.Count - silence);
    }

    private int Detection((int First, int Last) window)
    {
        for (int row = window.First; row <= window.Last; row++)
        {
            if (_alarms[row])
            {
                return row;
            }
        }

        return -1;
    }

    private int Count(bool label, bool alarm)
    {
        int count = 0;
        for (int row = 0; row < _labels.Length; row++)
        {
            count += _labels[row] == label && _alarms[row] == alarm ? 1 : 0;
        }

        return count;
    }

    private static double Sigmoid(double position) => (2 / (1 + Math.Exp(5 * position))) - 1;

    private static double Ratio(double part, double whole) => whole == 0 ? double.NaN : part / whole;
}
