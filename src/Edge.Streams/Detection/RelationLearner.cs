namespace Edge.Streams.Detection;

/// <summary>Learns how channels go together, and measures what the relation leaves on rows that it was not fitted to.</summary>
internal static class RelationLearner
{
    private const int Folds = 5;
    private static readonly double[] Penalties = [1, 10, 100, 1000];

    // Rows that a regression uses; of more rows, every so manyth.
    private const int RowsMax = 40_000;

    // A relation needs this many rows for each of its inputs.
    private const int RowsAFeature = 20;

    /// <summary>A linear relation, and a curved one where the rows suffice.</summary>
    /// <param name="rows">Standardized rows: [count, channels].</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="areConstant">Channels that never move.</param>
    internal static IReadOnlyList<Relation> Learn(float[] rows, int count, int channels, bool[] areConstant)
    {
        if (channels is < 2 or > RelationModel.ChannelsMax || areConstant.Count(isConstant => !isConstant) < 2)
        {
            return [];
        }

        int contexts = RecentMeans.CountOf(count);
        var straight = new RelationModel(channels, contexts, isCurved: false);
        if (InputCount(straight) * RowsAFeature > count)
        {
            return [];
        }

        float[] means = Contexts(rows, count, channels, contexts);
        Relation linear = Learn(rows, means, count, areConstant, straight);
        var curved = new RelationModel(channels, contexts, isCurved: true);
        return InputCount(curved) * RowsAFeature > count
            ? [linear]
            : [linear, Learn(rows, means, count, areConstant, curved)];
    }

    // Inputs of the regression of one channel.
    private static int InputCount(RelationModel model) =>
        Enumerable.Range(0, model.FeatureCount).Count(feature => model.IsInput(0, feature));

    private static float[] Contexts(float[] rows, int count, int channels, int contexts)
    {
        var recent = new RecentMeans(channels, count);
        var means = new float[count * contexts * channels];
        for (int row = 0; row < count; row++)
        {
            recent.Observe(rows.AsSpan(row * channels, channels), isFirst: row == 0);
            recent.Values.CopyTo(means.AsSpan(row * contexts * channels));
        }

        return means;
    }

    private static Relation Learn(float[] rows, float[] means, int count, bool[] areConstant, RelationModel model)
    {
        int channels = areConstant.Length;
        int spans = EwmaChart.SpansOf(count).Length;
        var statistics = new ChartStatistics[channels * spans];
        int stride = Math.Max(1, count / RowsMax);
        int contexts = means.Length / Math.Max(1, rows.Length);
        var all = new float[model.Stride];
        for (int channel = 0; channel < channels; channel++)
        {
            if (areConstant[channel])
            {
                statistics.AsSpan(channel * spans, spans).Fill(ChartStatistics.Unlimited);
                continue;
            }

            int[] inputs = [.. Enumerable.Range(0, model.FeatureCount).Where(feature => model.IsInput(channel, feature))];
            var features = new double[inputs.Length];
            var regression = new RidgeRegression(inputs.Length, Folds);
            for (int row = 0; row < count; row += stride)
            {
                Select(row, inputs, features);
                regression.Add(FoldOf(row), features, rows[(row * channels) + channel]);
            }

            double least = double.PositiveInfinity;
            double penalty = 0;
            float[] left = [];
            foreach (double tried in Penalties)
            {
                float[] residuals = Residuals(channel, regression, tried / stride, inputs, features);
                double square = residuals.Sum(residual => (double)residual * residual);
                if (square < least)
                {
                    (least, penalty, left) = (square, tried / stride, residuals);
                }
            }

            model.SetWeights(channel, Scatter(regression.Solve(penalty), inputs, model.FeatureCount));
            NormalProfileLearner.MeasureChart(left, statistics.AsSpan(channel * spans, spans));
        }

        return new Relation(model, statistics);

        int FoldOf(int row) => (int)((long)row * Folds / count);

        void Select(int row, int[] inputs, double[] features)
        {
            model.Features(rows.AsSpan(row * channels, channels), means.AsSpan(row * contexts * channels, contexts * channels), all);
            for (int f = 0; f < inputs.Length; f++)
            {
                features[f] = all[inputs[f]];
            }
        }

        // What is left of each row by weights that were fitted without its fold.
        float[] Residuals(int channel, RidgeRegression regression, double penalty, int[] inputs, double[] features)
        {
            double[][] weights = [.. Enumerable.Range(0, Folds).Select(fold => regression.Solve(penalty, without: fold))];
            var residuals = new float[count];
            for (int row = 0; row < count; row++)
            {
                Select(row, inputs, features);
                double[] fitted = weights[FoldOf(row)];
                double sum = 0;
                for (int f = 0; f < features.Length; f++)
                {
                    sum += fitted[f] * features[f];
                }

                residuals[row] = (float)(rows[(row * channels) + channel] - sum);
            }

            return residuals;
        }
    }

    private static double[] Scatter(double[] values, int[] at, int length)
    {
        var all = new double[length];
        for (int f = 0; f < at.Length; f++)
        {
            all[at[f]] = values[f];
        }

        return all;
    }
}
