namespace Edge.Streams.Detection;

/// <summary>Learns how channels go together and with the time, and measures what is left on rows that it was not fitted to.</summary>
internal sealed class RelationLearner
{
    private const int Folds = 5;
    private static readonly double[] Penalties = [1, 10, 100, 1000, 10_000, 100_000];

    // Rows that a regression uses; of more rows, every so manyth.
    private const int RowsMax = 40_000;

    // A relation needs this many rows for each of its inputs.
    private const int RowsAFeature = 20;

    // The calendar is used where it leaves no more than this of the squares, and less in every fold: what wanders for days goes with the
    // time of day by chance.
    private const double CalendarGain = 0.75;

    private readonly float[] _rows;
    private readonly float[] _means;
    private readonly int _count;
    private readonly int _channels;
    private readonly int _stride;
    private readonly RelationModel _model;
    private readonly RidgeRegression _regression;
    private readonly float[] _features;
    private readonly float[] _terms;

    private RelationLearner(float[] rows, int count, DateTime[] times, RelationModel model, int channels)
    {
        _rows = rows;
        _count = count;
        _channels = channels;
        _stride = Math.Max(1, count / RowsMax);
        _model = model;
        _features = new float[model.Stride];
        int terms = CalendarTerms.Count(model.Calendar);
        _terms = new float[count * terms];
        for (int row = 0; terms > 0 && row < count; row++)
        {
            CalendarTerms.Fill(model.Calendar, times[row], _terms.AsSpan(row * terms, terms));
        }

        int contexts = model.ContextCount;
        _means = new float[count * contexts * channels];
        var recent = new RecentMeans(channels, count);
        for (int row = 0; row < count; row++)
        {
            recent.Observe(rows.AsSpan(row * channels, channels), isFirst: row == 0);
            recent.Values[..(contexts * channels)].CopyTo(_means.AsSpan(row * contexts * channels));
        }

        _regression = new RidgeRegression(model.FeatureCount, channels, Folds);
        for (int row = 0; row < count; row += _stride)
        {
            SetFeatures(row);
            _regression.Add(FoldOf(row), _features, rows.AsSpan(row * channels, channels));
        }
    }

    /// <summary>
    /// The relation of every channel with the others: linear, or curved where that leaves less and the rows suffice, and with the time of
    /// day and of the week where that leaves much less; null if the rows are too few, or nothing goes with anything.
    /// </summary>
    /// <param name="rows">Standardized rows: [count, channels].</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="times">Times of the rows, UTC; empty if they are not known.</param>
    /// <param name="areConstant">Channels that never move.</param>
    internal static Relation? Learn(float[] rows, int count, DateTime[] times, bool[] areConstant)
    {
        int channels = areConstant.Length;
        int moving = areConstant.Count(isConstant => !isConstant);
        if (channels > RelationModel.ChannelsMax || moving == 0 || !Suffices(channels, count, isCurved: false))
        {
            return null;
        }

        bool isCurved = Suffices(channels, count, isCurved: true);
        CalendarPart calendar = CalendarTerms.Of(times);
        while (!Suffices(Model(isCurved, calendar), count))
        {
            calendar--;
        }

        Relation relation = new RelationLearner(rows, count, times, Model(isCurved, calendar), channels).Learn(areConstant);
        return moving > 1 || relation.Model.Calendar != CalendarPart.None ? relation : null;

        RelationModel Model(bool isCurved, CalendarPart calendar) =>
            new(channels, RelationModel.ContextsOf(channels, count), isCurved, calendar);
    }

    /// <summary>Whether so many rows are enough for the relations of so many channels.</summary>
    internal static bool Suffices(int channels, int count, bool isCurved) => Suffices(
        new RelationModel(channels, RelationModel.ContextsOf(channels, count), isCurved, CalendarPart.None), count);

    private static bool Suffices(RelationModel model, int count) => InputsOf(model, 0).Length * RowsAFeature <= count;

    private Relation Learn(bool[] areConstant)
    {
        int spans = EwmaChart.SpansOf(_count).Length;
        var statistics = new ChartStatistics[_channels * spans];
        var weights = new double[_channels][];
        var calendar = CalendarPart.None;
        for (int channel = 0; channel < _channels; channel++)
        {
            weights[channel] = new double[_model.FeatureCount];
            Span<ChartStatistics> ofChannel = statistics.AsSpan(channel * spans, spans);
            if (areConstant[channel])
            {
                ofChannel.Fill(ChartStatistics.Unlimited);
                continue;
            }

            Candidate best = Best(channel);
            weights[channel] = _regression.Solve(channel, best.Inputs, best.Penalty);
            EwmaChart.Measure(Residuals(channel, best), ofChannel);
            calendar = best.Calendar > calendar ? best.Calendar : calendar;
        }

        var used = new RelationModel(_channels, _model.ContextCount, _model.IsCurved, calendar);
        for (int channel = 0; channel < _channels; channel++)
        {
            used.SetWeights(channel, weights[channel].AsSpan(0, used.FeatureCount));
        }

        return new Relation(used, statistics);
    }

    // Of the inputs and penalties, those that leave least; those of the calendar where they leave much less.
    private Candidate Best(int channel)
    {
        int[] inputs = InputsOf(_model, channel);
        int[] straight = [.. inputs.Where(input => input < _model.LinearCount)];
        int[] curved = [.. inputs.Where(input => input < _model.CurvedCount)];
        (Candidate best, double[] least) = Best(
            channel, straight.Length == curved.Length ? [straight] : [straight, curved], CalendarPart.None);
        for (CalendarPart part = CalendarPart.Day; part <= _model.Calendar; part++)
        {
            IEnumerable<int> terms = Enumerable.Range(_model.CurvedCount, CalendarTerms.Count(part));
            int[] timed = [.. best.Inputs.Where(input => input < _model.CurvedCount), .. terms];
            (Candidate candidate, double[] squares) = Best(channel, [timed], part);
            if (squares.Sum() <= CalendarGain * least.Sum() && squares.Zip(least).All(pair => pair.First < pair.Second))
            {
                (best, least) = (candidate, squares);
            }
        }

        return best;
    }

    // Squares: by fold.
    private (Candidate Best, double[] Squares) Best(int channel, int[][] inputsTried, CalendarPart calendar)
    {
        Candidate[] candidates =
        [
            .. inputsTried.SelectMany(inputs => Penalties.Select(penalty => Solve(channel, inputs, penalty / _stride, calendar))),
        ];
        var squares = new double[candidates.Length, Folds];
        for (int row = 0; row < _count; row++)
        {
            SetFeatures(row);
            for (int c = 0; c < candidates.Length; c++)
            {
                float residual = Residual(channel, row, candidates[c]);
                squares[c, FoldOf(row)] += (double)residual * residual;
            }
        }

        double[][] byFold = [.. candidates.Select((_, c) => Enumerable.Range(0, Folds).Select(fold => squares[c, fold]).ToArray())];
        double[] least = byFold.MinBy(each => each.Sum())!;
        return (candidates[Array.IndexOf(byFold, least)], least);
    }

    private float[] Residuals(int channel, Candidate by)
    {
        var residuals = new float[_count];
        for (int row = 0; row < _count; row++)
        {
            SetFeatures(row);
            residuals[row] = Residual(channel, row, by);
        }

        return residuals;
    }

    private Candidate Solve(int channel, int[] inputs, double penalty, CalendarPart calendar) => new(
        inputs,
        penalty,
        [.. Enumerable.Range(0, Folds).Select(fold => _model.Padded(_regression.Solve(channel, inputs, penalty, without: fold)))],
        calendar);

    // What is left of the row in the features by weights that were fitted without its fold.
    private float Residual(int channel, int row, Candidate by) =>
        _rows[(row * _channels) + channel] - RelationModel.Dot(by.WithoutFold[FoldOf(row)], _features);

    private static int[] InputsOf(RelationModel model, int channel) =>
        [.. Enumerable.Range(0, model.FeatureCount).Where(feature => model.IsInput(channel, feature))];

    private int FoldOf(int row) => (int)((long)row * Folds / _count);

    private void SetFeatures(int row)
    {
        int means = _means.Length / _count;
        int terms = _terms.Length / _count;
        _model.Features(
            _rows.AsSpan(row * _channels, _channels), _means.AsSpan(row * means, means), _terms.AsSpan(row * terms, terms), _features);
    }

    // Inputs and penalty of a regression, its weights without each fold, and what of the time is among the inputs.
    private sealed record Candidate(int[] Inputs, double Penalty, float[][] WithoutFold, CalendarPart Calendar);
}
