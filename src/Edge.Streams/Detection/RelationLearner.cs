namespace Edge.Streams.Detection;

/// <summary>Learns how channels go together, and measures what the relation leaves on rows that it was not fitted to.</summary>
internal sealed class RelationLearner
{
    private const int Folds = 5;
    private static readonly double[] Penalties = [1, 10, 100, 1000, 10_000, 100_000];

    // Rows that a regression uses; of more rows, every so manyth.
    private const int RowsMax = 40_000;

    // A relation needs this many rows for each of its inputs.
    private const int RowsAFeature = 20;

    private readonly float[] _rows;
    private readonly float[] _means;
    private readonly int _count;
    private readonly int _channels;
    private readonly int _stride;
    private readonly RelationModel _model;
    private readonly RidgeRegression _regression;
    private readonly float[] _features;

    private RelationLearner(float[] rows, int count, int channels, RelationModel model, int contexts)
    {
        _rows = rows;
        _count = count;
        _channels = channels;
        _stride = Math.Max(1, count / RowsMax);
        _model = model;
        _features = new float[model.Stride];
        _means = new float[count * contexts * channels];
        var recent = new RecentMeans(channels, count);
        for (int row = 0; row < count; row++)
        {
            recent.Observe(rows.AsSpan(row * channels, channels), isFirst: row == 0);
            recent.Values.CopyTo(_means.AsSpan(row * contexts * channels));
        }

        _regression = new RidgeRegression(model.FeatureCount, channels, Folds);
        for (int row = 0; row < count; row += _stride)
        {
            SetFeatures(row);
            _regression.Add(FoldOf(row), _features, rows.AsSpan(row * channels, channels));
        }
    }

    /// <summary>
    /// The relation of every channel with the others: linear, or curved where that leaves less and the rows suffice; null if they are too
    /// few for either.
    /// </summary>
    /// <param name="rows">Standardized rows: [count, channels].</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="areConstant">Channels that never move.</param>
    internal static Relation? Learn(float[] rows, int count, int channels, bool[] areConstant)
    {
        if (channels is < 2 or > RelationModel.ChannelsMax || areConstant.Count(isConstant => !isConstant) < 2)
        {
            return null;
        }

        int contexts = RecentMeans.CountOf(count);
        var straight = new RelationModel(channels, contexts, isCurved: false);
        var curved = new RelationModel(channels, contexts, isCurved: true);
        if (InputsOf(straight, 0).Length * RowsAFeature > count)
        {
            return null;
        }

        RelationModel model = InputsOf(curved, 0).Length * RowsAFeature > count ? straight : curved;
        return new RelationLearner(rows, count, channels, model, contexts).Learn(areConstant, straight.FeatureCount);
    }

    private Relation Learn(bool[] areConstant, int straightCount)
    {
        int spans = EwmaChart.SpansOf(_count).Length;
        var statistics = new ChartStatistics[_channels * spans];
        for (int channel = 0; channel < _channels; channel++)
        {
            Span<ChartStatistics> ofChannel = statistics.AsSpan(channel * spans, spans);
            if (areConstant[channel])
            {
                ofChannel.Fill(ChartStatistics.Unlimited);
                continue;
            }

            int[] inputs = InputsOf(_model, channel);
            EwmaChart.Measure(Fit(channel, [[.. inputs.Where(input => input < straightCount)], inputs]), ofChannel);
        }

        return new Relation(_model, statistics);
    }

    // Sets the weights of a channel, and returns what they leave: of the inputs and penalties tried, those that leave least.
    private float[] Fit(int channel, int[][] inputsTried)
    {
        Candidate[] candidates =
        [
            .. inputsTried.DistinctBy(inputs => inputs.Length)
                .SelectMany(inputs => Penalties.Select(penalty => Solve(channel, inputs, penalty / _stride))),
        ];
        var squares = new double[candidates.Length];
        for (int row = 0; row < _count; row++)
        {
            SetFeatures(row);
            for (int c = 0; c < candidates.Length; c++)
            {
                float residual = Residual(channel, row, candidates[c]);
                squares[c] += (double)residual * residual;
            }
        }

        Candidate best = candidates[Array.IndexOf(squares, squares.Min())];
        _model.SetWeights(channel, _regression.Solve(channel, best.Inputs, best.Penalty));
        var residuals = new float[_count];
        for (int row = 0; row < _count; row++)
        {
            SetFeatures(row);
            residuals[row] = Residual(channel, row, best);
        }

        return residuals;
    }

    private Candidate Solve(int channel, int[] inputs, double penalty) => new(
        inputs,
        penalty,
        [.. Enumerable.Range(0, Folds).Select(fold => _model.Padded(_regression.Solve(channel, inputs, penalty, without: fold)))]);

    // What is left of the row in the features by weights that were fitted without its fold.
    private float Residual(int channel, int row, Candidate by) =>
        _rows[(row * _channels) + channel] - RelationModel.Dot(by.WithoutFold[FoldOf(row)], _features);

    private static int[] InputsOf(RelationModel model, int channel) =>
        [.. Enumerable.Range(0, model.FeatureCount).Where(feature => model.IsInput(channel, feature))];

    private int FoldOf(int row) => (int)((long)row * Folds / _count);

    private void SetFeatures(int row)
    {
        int means = _means.Length / _count;
        _model.Features(_rows.AsSpan(row * _channels, _channels), _means.AsSpan(row * means, means), _features);
    }

    // Inputs and penalty of a regression, and its weights without each fold.
    private sealed record Candidate(int[] Inputs, double Penalty, float[][] WithoutFold);
}
