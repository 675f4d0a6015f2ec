using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.Inference.Tests;

/// <summary>The regression on the last rows beside the head.</summary>
public sealed class LagRegressionTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(43)]
    public void Outputs_are_those_of_the_layers_plus_the_sum_over_the_present_and_clamped_differences_from_it(int own)
    {
        for (int seed = 0; seed < 30; seed++)
        {
            (int inputs, int outputs) = (1 + (seed % 19), 1 + (seed % 5));
            EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithLags(seed, inputs, 8, outputs, own));
            LagRegression lags = model.Lags!;
            EdgeModel without = EdgeModel.Parse(RandomModels.Int8(seed, inputs, 8, 1, outputs));
            foreach (string kernel in InferenceSession.Kernels)
            {
                var session = new InferenceSession(model, kernel);
                var layers = new InferenceSession(without, kernel);
                var random = new Random(seed);
                var rows = new List<short[]>();
                float[] y = new float[outputs];
                float[] expected = new float[outputs];
                for (int t = 0; t < 60; t++)
                {
                    float[] x = [.. Enumerable.Range(0, inputs).Select(_ => (16 * random.NextSingle()) - 8)];
                    rows.Insert(0, [.. x.Select(value => (short)Math.Clamp(MathF.Round(value * 4096), -32767, 32767))]);
                    session.Step(x, y);
                    layers.Step(x, expected);
                    for (int r = 0; r < outputs; r++)
                    {
                        long sum = 0;
                        for (int l = 0; l < lags.Lags.Length; l++)
                        {
                            short[] row = rows[lags.Lags[l] < rows.Count ? lags.Lags[l] : 0];
                            for (int i = 0; i < inputs; i++)
                            {
                                int limit = lags.Limit[(l * inputs) + i];
                                int read = l == 0 ? row[i] : Math.Clamp(row[i] - rows[0][i], -limit, limit);
                                sum += (long)lags.Weight[(((r * lags.Lags.Length) + l) * inputs) + i] * read;
                            }
                        }

                        for (int m = 1; m <= own; m++)
                        {
                            int c = lags.OwnColumn[r];
                            int limit = lags.OwnLimit[(c * own) + m - 1];
                            int difference = Math.Clamp(rows[m < rows.Count ? m : 0][c] - rows[0][c], -limit, limit);
                            sum += (long)lags.OwnWeight[(r * own) + m - 1] * difference;
                        }

                        Assert.Equal(expected[r] + ((sum * lags.Scale[r]) + lags.Bias[r]), y[r]);
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(37)]
    public void A_state_with_its_last_rows_is_saved_restored_reset_and_stepped_in_a_batch(int own)
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithLags(4, 3, 9, 4, own));
        var whole = new InferenceSession(model);
        var broken = new InferenceSession(model);
        var batch = new InferenceBatch(model, 2);
        var random = new Random(1);
        float[] first = [];
        for (int t = 0; t < 80; t++)
        {
            float[] x = [random.NextSingle(), random.NextSingle(), random.NextSingle()];
            float[] y = new float[4];
            float[] again = new float[4];
            float[] both = new float[8];
            whole.Step(x, y);
            broken.Step(x, again);
            batch.Step([.. x, .. x], both);
            Assert.Equal(y, again);
            Assert.Equal([.. y, .. y], both);
            first = t == 0 ? y : first;
            if (t % 7 == 0)
            {
                byte[] saved = broken.Save();
                broken = new InferenceSession(model);
                broken.Restore(saved);
            }

            if (t % 20 == 19)
            {
                // Through real numbers: the rows and the state are those that integers stand for, so they come back as they were.
                float[] exported = broken.ExportState();
                broken.ImportState(exported);
                Assert.Equal(exported, broken.ExportState());
            }
        }

        whole.Reset();
        var fresh = new InferenceSession(model);
        Assert.Equal(fresh.State, whole.State);
    }

    // Row t of two columns: what it was a season before.
    [Fact]
    public void After_missed_rows_the_lags_are_those_of_a_stream_that_missed_none()
    {
        const int Season = 10;
        const int Kept = 24;
        for (int before = Season; before < 40; before++)
        {
            for (int missed = 1; missed < 60; missed++)
            {
                short[] whole = new short[1 + (2 * Kept)];
                short[] broken = new short[1 + (2 * Kept)];
                for (int t = 0; t < before; t++)
                {
                    LagRows.Push<short>(whole, Row(t));
                    LagRows.Push<short>(broken, Row(t));
                }

                LagRows.Skip<short>(broken, 2, missed, Season);
                for (int t = before; t < before + missed; t++)
                {
                    LagRows.Push<short>(whole, Row(t));
                }

                Assert.Equal(LagRows.Push<short>(whole, Row(before + missed)).ToArray(), LagRows.Push<short>(broken, Row(before + missed)));
                Assert.Equal(whole[0], broken[0]);
            }
        }

        static short[] Row(int t) => [(short)(t % Season), (short)(100 + (t % Season * t % Season))];
    }

    [Fact]
    public void A_row_that_is_missed_allocates_nothing()
    {
        short[] state = new short[1 + 24];
        LagRows.Push<short>(state, [1]);
        Assert.Equal(0, AllocatedBytes.Least(() => LagRows.Skip<short>(state, 1, missed: 1, season: 10)));
        Assert.Equal(6, LagRows.Known<short>(state, 1));
    }

    [Theory]
    [InlineData(3, 0, new short[] { 9, 4, 4, 4, 4, 3, 2, 1 })]
    [InlineData(7, 0, new short[] { 9, 4, 4, 4, 4, 4, 4, 4 })]
    [InlineData(8, 0, new short[] { 9, 9, 9, 9, 9, 9, 9, 9 })]
    [InlineData(3, 5, new short[] { 9, 4, 4, 4, 4, 3, 2, 1 })]
    [InlineData(3, 4, new short[] { 9, 3, 2, 1, 4, 3, 2, 1 })]
    [InlineData(6, 4, new short[] { 9, 2, 1, 4, 3, 2, 1, 4 })]
    public void Without_a_known_season_missed_rows_were_like_the_last_or_are_not_known(int missed, int season, short[] rows)
    {
        short[] state = new short[1 + rows.Length];
        for (short t = 1; t <= 4; t++)
        {
            LagRows.Push<short>(state, [t]);
        }

        LagRows.Skip<short>(state, 1, missed, season);
        Assert.Equal(rows, LagRows.Push<short>(state, [9]));
    }

    [Theory]
    [InlineData(200, 1, 168)]
    [InlineData(100, 1, 24)]
    [InlineData(200, 168, 168)]
    [InlineData(200, 169, 0)]
    public void A_week_before_is_taken_where_it_is_known_and_nothing_after_more_than_a_week(int known, int missed, int season)
    {
        LagRegression lags = new()
        {
            InputCount = 1,
            OutputCount = 1,
            Lags = [0, 180],
            Weight = [0, 1],
            Limit = [0, 32767],
            Scale = [1],
            Bias = [0],
        };
        short[] state = new short[lags.StateCount];
        short[] expected = new short[lags.StateCount];
        for (short t = 1; t <= known; t++)
        {
            LagRows.Push<short>(state, [t]);
            LagRows.Push<short>(expected, [t]);
        }

        lags.Skip(state, missed, periodSeconds: 3600);
        if (season > 0)
        {
            LagRows.Skip<short>(expected, 1, missed, season);
        }
        else
        {
            LagRows.Forget<short>(expected);
        }

        Assert.Equal(LagRows.Push<short>(expected, [9]).ToArray(), LagRows.Push<short>(state, [9]));
    }

    [Fact]
    public void A_damaged_regression_is_refused_with_a_sentence()
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8WithLags(4, 3, 9, 4, 2));
        LagRegression lags = model.Lags!;
        Refused(lags.Lags, lags.Weight, [float.NaN, 1, 1, 1], lags.Bias);
        Refused(lags.Lags, lags.Weight, lags.Scale, [0, 0, 0, float.PositiveInfinity]);
        Refused([.. lags.Lags.Reverse()], lags.Weight, lags.Scale, lags.Bias);
        Refused(lags.Lags, [short.MinValue, .. lags.Weight[1..]], lags.Scale, lags.Bias);
        Refused(lags.Lags, lags.Weight[1..], lags.Scale, lags.Bias);
        Refused(lags.Lags, lags.Weight, lags.Scale, lags.Bias, own => own.Column[1] = 3);
        Refused(lags.Lags, lags.Weight, lags.Scale, lags.Bias, own => own.Column[0] = -1);
        Refused(lags.Lags, lags.Weight, lags.Scale, lags.Bias, own => own.Weight[7] = short.MinValue);
        Refused(lags.Lags, lags.Weight, lags.Scale, lags.Bias, own => own.Limit[5] = -1);

        // A reader that knows nothing of such lags must see that there is something new.
        byte[] file = model.ToBytes();
        string text = System.Text.Encoding.Latin1.GetString(file);
        Assert.Contains("\\u0022format\\u0022:2", text, StringComparison.Ordinal);
        file = System.Text.Encoding.Latin1.GetBytes(
            text.Replace("\\u0022format\\u0022:2", "\\u0022format\\u0022:1", StringComparison.Ordinal));
        Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(file));

        void Refused(
            int[] at, short[] weight, float[] scale, float[] bias, Action<(int[] Column, short[] Weight, short[] Limit)>? damage = null)
        {
            (int[] Column, short[] Weight, short[] Limit) own = ([.. lags.OwnColumn], [.. lags.OwnWeight], [.. lags.OwnLimit]);
            damage?.Invoke(own);
            var damaged = new EdgeModel(
                model.Manifest, model.InputOffset, model.InputScale, null, model.Layers, model.Head, "{}", model.Sha256,
                new LagRegression
                {
                    InputCount = 3,
                    OutputCount = 4,
                    Lags = at,
                    Weight = weight,
                    Limit = lags.Limit,
                    Scale = scale,
                    Bias = bias,
                    OwnLags = lags.OwnLags,
                    OwnColumn = own.Column,
                    OwnWeight = own.Weight,
                    OwnLimit = own.Limit,
                });
            Assert.EndsWith(
                ".", Assert.Throws<ModelFormatException>(() => EdgeModel.Parse(damaged.ToBytes())).Message, StringComparison.Ordinal);
        }
    }
}
