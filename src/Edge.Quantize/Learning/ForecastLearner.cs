using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams.Forecasting;
using Edge.Training.Reference;

namespace Edge.Quantize.Learning;

/// <summary>How long and what to try.</summary>
internal sealed record LearnerOptions
{
    /// <summary>Ticks ahead; empty for what suits the period.</summary>
    internal IReadOnlyList<int> Horizons { get; init; } = [];

    /// <summary>How to get by with the rows there are, for advice: what the user wrote the horizons in.</summary>
    internal string HorizonsAdvice { get; init; } = "Record longer, or set --horizons.";

    /// <summary>Columns to forecast; empty for all.</summary>
    internal IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>Most rows back that the linear forecast reads; null for as many as help.</summary>
    internal int? Lags { get; init; }

    /// <summary>Cell to use; null to try several.</summary>
    internal CellKind? Cell { get; init; }

    /// <summary>Units; null to try several.</summary>
    internal int? Units { get; init; }

    /// <summary>Recurrent layers.</summary>
    internal int Layers { get; init; } = 1;

    /// <summary>Share of units that are dropped in training; null to try several.</summary>
    internal float? Dropout { get; init; }

    /// <summary>Epochs of each candidate; null for what the budget allows.</summary>
    internal int? Epochs { get; init; }

    /// <summary>Of all random numbers.</summary>
    internal int Seed { get; init; } = 1;

    /// <summary>Time for training.</summary>
    internal TimeSpan Budget { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>File that keeps what was trained, to continue from; null for none.</summary>
    internal string? Checkpoint { get; init; }
}

/// <summary>A candidate and how it did.</summary>
/// <param name="Candidate">What it is.</param>
/// <param name="Score">Its square error on the rows that choose as a share of that of the regression alone.</param>
/// <param name="Losses">After each epoch, on the rows that choose as the same share.</param>
internal sealed record Learned(Candidate Candidate, double Score, IReadOnlyList<EpochLoss> Losses);

/// <summary>What training says while it runs.</summary>
/// <param name="Candidate">What is trained.</param>
/// <param name="Epoch">Epochs of it so far.</param>
/// <param name="Loss">Its last losses, on the rows that choose as a share of that of the regression alone.</param>
/// <param name="Best">The best such share of all so far.</param>
/// <param name="Left">Time left.</param>
internal readonly record struct LearningProgress(Candidate Candidate, int Epoch, EpochLoss Loss, double Best, TimeSpan Left);

/// <summary>
/// From recorded rows to a float model: a linear forecast from the last rows and a recurrent net beside it for what that cannot say, each
/// chosen on rows that were not fitted.
/// </summary>
internal sealed class ForecastLearner
{
    // Fewest epochs that a candidate gets before the clock can end it.
    private const int EpochsMin = 3;

    // Most epochs of a candidate, unless asked for.
    private const int EpochsMax = 60;

    /// <summary>
    /// Share that a net must take off the square error of the regression on the rows that choose: it costs time at every step, and what
    /// gains less there may lose on other rows.
    /// </summary>
    internal const double WorthNet = 0.02;

    private readonly TrainingRows _rows;
    private readonly LearnerOptions _options;
    private readonly ForecastTargets _targets;
    private readonly LinearResiduals[] _linear;
    private readonly int _bestLinear;
    private readonly double _alone;
    private readonly List<Learned> _learned = [];
    private readonly Lock _lock = new();
    private byte[] _key = [];
    private ForecastNet? _best;
    private TrainedNet? _bestLearned;
    private TimeSpan _spentBefore;
    private long _started;

    /// <summary>Fits the linear forecast.</summary>
    internal ForecastLearner(TrainingRows rows, LearnerOptions options)
    {
        (_rows, _options) = (rows, options);
        int[] targets = options.Targets.Count == 0
            ? [.. Enumerable.Range(0, rows.Columns.Count)]
            : [.. options.Targets.Select(name => ColumnOf(rows, name))];
        int reach = rows.ValidationEnd - rows.TrainEnd;
        int[] usual = UsualHorizons.Of(rows.Period);
        int[] horizons = options.Horizons.Count > 0 ? [.. options.Horizons] : [.. usual.Where(ahead => ahead == 1 || ahead < reach)];
        LeftOut = options.Horizons.Count > 0 ? [] : [.. usual.Except(horizons)];
        int far = horizons.Max();
        if (reach <= far)
        {
            throw new Inference.InputException(
                $"{rows.RowCount} rows are too few to forecast {Quantity.Of(far, "row")} ahead: a tenth of them, which choose, must reach "
                    + $"further. {options.HorizonsAdvice}");
        }

        Outputs = [.. horizons.SelectMany(ahead => targets.Select(column => new ModelOutput(column, ahead)))];
        _targets = new ForecastTargets(rows, Outputs);
        LinearForecast linear = LinearForecast.Fit(rows, _targets, options.Lags);
        _linear =
        [
            .. (linear.ReadsOwnLags ? (bool[])[false, true] : [false])
                .Select(withOwnLags => new LinearResiduals(rows, _targets, linear.ToRegression(withOwnLags))),
        ];
        _bestLinear = Enumerable.Range(0, _linear.Length).MinBy(which => _linear[which].ScoreBeside(_linear[0]));
        _alone = _linear[_bestLinear].ScoreBeside(_linear[0]);
    }

    /// <summary>What the model forecasts.</summary>
    internal IReadOnlyList<ModelOutput> Outputs { get; }

    /// <summary>Usual ticks ahead that the rows are too few for.</summary>
    internal IReadOnlyList<int> LeftOut { get; }

    /// <summary>The net of the model, or null where none takes enough off the error; once it has run.</summary>
    internal Candidate? Net { get; private set; }

    /// <summary>How many candidates an earlier run of this training had trained; once it has run.</summary>
    internal int Resumed { get; private set; }

    /// <summary>Every candidate that was trained, the best first.</summary>
    internal IReadOnlyList<Learned> Candidates => [.. _learned.OrderBy(each => each.Score)];

    /// <summary>Trains candidates until the time is over, and returns the best model.</summary>
    /// <param name="say">Told after every epoch, one call at a time.</param>
    /// <param name="cancel">Ends training early; the best so far is returned.</param>
    internal FloatModel Run(Action<LearningProgress> say, CancellationToken cancel)
    {
        Candidate[] candidates = [.. Propose()];
        Resume(candidates);
        HashSet<Candidate> resumed = [.. _learned.Select(each => each.Candidate)];
        _started = Stopwatch.GetTimestamp();
        int workers = Math.Min(candidates.Length, Math.Max(1, Environment.ProcessorCount));

        // As many rounds of candidates as fit side by side share the time.
        int rounds = (candidates.Length + workers - 1) / workers;
        TimeSpan each = _options.Budget / rounds;
        int next = -1;
        Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers }, _ =>
        {
            for (int at = Interlocked.Increment(ref next); at < candidates.Length; at = Interlocked.Increment(ref next))
            {
                if (resumed.Contains(candidates[at]))
                {
                    continue;
                }

                TimeSpan left = _options.Budget - Spent;
                if (cancel.IsCancellationRequested || (at > 0 && _options.Epochs is null && left <= each / 4))
                {
                    return;
                }

                Train(candidates[at], left < each ? left : each, say, cancel);
            }
        });
        Candidate smallest = candidates.Where(each => each.Beside == _bestLinear).MinBy(each => each.Units)!;

        // What says nothing beside the regression shall cost little: a layer, no block.
        ForecastNet none = NetOf(smallest.IsBlockStack ? smallest with { Cell = CellKind.Rnn, Layers = 1 } : smallest);
        Net = _best is not null && _best.Score <= (1 - WorthNet) * none.Score ? _best.Candidate : null;
        return (Net is null ? none : _best!).ToModel();
    }

    /// <summary>The manifest of the model.</summary>
    internal ModelManifest Manifest(string name) => new()
    {
        Name = name,
        Columns = [.. _rows.Columns.Select(column => column.Name)],
        Units = [.. _rows.Columns.Select(column => column.Unit)],
        PeriodSeconds = _rows.Period.TotalSeconds,
        Mean = _rows.Mean,
        Std = _rows.Std,
        Outputs = Outputs,
        Calendar = _rows.Calendar,
        TrainRows = (0, _rows.ValidationEnd),
        TestRows = (_rows.ValidationEnd, _rows.RowCount),
    };

    private static int ColumnOf(TrainingRows rows, string name)
    {
        for (int i = 0; i < rows.Columns.Count; i++)
        {
            if (rows.Columns[i].Name == name)
            {
                return i;
            }
        }

        throw new Inference.InputException(
            $"--target names '{name}', which is not learned; learned are "
                + $"{string.Join(", ", rows.Columns.Select(column => $"'{column.Name}'"))}.");
    }

    // Time that training has taken, also before it was cut off.
    private TimeSpan Spent => _spentBefore + Stopwatch.GetElapsedTime(_started);

    // Takes over what an earlier run has done, if it was cut off.
    private void Resume(Candidate[] candidates)
    {
        if (_options.Checkpoint is not { } path)
        {
            return;
        }

        _key = TrainingCheckpoint.KeyOf(_rows, _options);
        if (TrainingCheckpoint.Read(path, _key, candidates) is { } before)
        {
            (_spentBefore, _bestLearned, Resumed) = (before.Spent, before.Best, before.Learned.Count);
            _learned.AddRange(before.Learned);
            _best = NetOf(before.Best.Candidate);
            _best.Restore(before.Best);
        }
    }

    private void Train(Candidate candidate, TimeSpan budget, Action<LearningProgress> say, CancellationToken cancel)
    {
        ForecastNet net = NetOf(candidate);
        long begun = Stopwatch.GetTimestamp();
        int epochs = _options.Epochs ?? EpochsMax;
        for (int epoch = 0; epoch < epochs && !cancel.IsCancellationRequested && !net.IsDone; epoch++)
        {
            // Where the time allows less than all epochs, the rate falls by it.
            double spent = _options.Epochs is null ? Stopwatch.GetElapsedTime(begun) / budget : 0;
            if (epoch >= EpochsMin && spent >= 1)
            {
                break;
            }

            net.Epoch(Math.Max(spent, (double)epoch / epochs));
            lock (_lock)
            {
                if (_best is null || net.Score < _best.Score)
                {
                    _best = net;
                }

                say(new LearningProgress(
                    candidate, epoch + 1, BesideAlone(net.Losses[^1]), _best.Score / _alone,
                    _options.Budget - Spent));
            }
        }

        lock (_lock)
        {
            _best = _best is null || net.Score < _best.Score ? net : _best;
            _learned.Add(new Learned(candidate, net.Score / _alone, [.. net.Losses.Select(BesideAlone)]));
            _bestLearned = _bestLearned is null || net.Score < _bestLearned.Score ? net.Save() : _bestLearned;
            if (_options.Checkpoint is { } path && !cancel.IsCancellationRequested)
            {
                new TrainingCheckpoint(Spent, _learned, _bestLearned).Write(path, _key);
            }
        }
    }

    private EpochLoss BesideAlone(EpochLoss loss) => loss with { Validation = loss.Validation / _alone };

    // The likely ones first: the time may not suffice for all.
    private IEnumerable<Candidate> Propose()
    {
        CellKind[] cells = _options.Cell is { } cell ? [cell] : [CellKind.Lstm, CellKind.Gru];
        int[] units = _options.Units is { } count ? [count] : [32, 64, 16];
        float[] dropouts = _options.Dropout is { } share ? [share] : [0.2f, 0];
        int[] linear = [.. Enumerable.Range(0, _linear.Length).Reverse()];
        int number = 0;
        return from dropout in dropouts
               from width in units
               from kind in cells
               from beside in linear
               select new Candidate(
                   kind, width, _options.Layers, dropout, beside, unchecked((_options.Seed * 1_000_003) + (101 * number++)));
    }

    private ForecastNet NetOf(Candidate candidate) => new(candidate, _rows, _targets, _linear[candidate.Beside], _linear[0]);
}
