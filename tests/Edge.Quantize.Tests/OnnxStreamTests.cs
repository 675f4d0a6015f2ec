using Edge.Inference;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>Streams beside each other in one model on ONNX Runtime, and their states.</summary>
public sealed class OnnxStreamTests
{
    [SharedDataFact]
    public void A_model_without_a_state_is_stepped_all_the_same()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Zoo("no_recurrent.onnx"), OnnxProvider.Options);
        int row = model.Open();
        float[] y = new float[model.OutputCount];
        model.Step(row, [1, 2, 3, 4, 5], y);
        float[] first = [.. y];
        model.Step(row, [1, 2, 3, 4, 5], y);
        Assert.Equal(first, y);
        Assert.Equal(0, model.StateCount);
        model.Restore(row, model.Save(row));
    }

    [SharedDataTheory]
    [InlineData("etth1-lstm64")]
    [InlineData("skab-lstm64x2")]
    [InlineData("etth1-gru64")]
    public void Streams_that_step_together_give_what_each_gives_alone(string name)
    {
        using OnnxModel together = OnnxModel.Load(SharedData.Model(name, "step.onnx"), OnnxProvider.Options);
        using OnnxModel alone = OnnxModel.Load(SharedData.Model(name, "step.onnx"), OnnxProvider.Options);
        const int Streams = 13;
        int[] rows = [.. Enumerable.Range(0, Streams).Select(_ => together.Open())];
        int[] single = [.. Enumerable.Range(0, Streams).Select(_ => alone.Open())];
        var random = new Random(5);
        float[][] x = new float[Streams][];
        float[][] y = [.. rows.Select(_ => new float[together.OutputCount])];
        float[] expected = new float[together.OutputCount];
        bool[] takesPart = new bool[Streams];
        bool isOver = false;

        // Every stream has a thread of its own, and all of a round step at once: those that find a call under way step in the next
        // together.
        using var begin = new Barrier(Streams + 1);
        using var end = new Barrier(Streams + 1);
        Thread[] threads = [.. Enumerable.Range(0, Streams).Select(stream => new Thread(() => Run(stream)))];
        Array.ForEach(threads, thread => thread.Start());
        for (int step = 0; step < 200; step++)
        {
            // Some of the streams, in any order; one leaves and another takes its row.
            for (int stream = 0; stream < Streams; stream++)
            {
                takesPart[stream] = random.Next(2) == 0;
                x[stream] = OnnxParityTests.Row(random, together.InputCount, null);
            }

            begin.SignalAndWait();
            end.SignalAndWait();
            for (int stream = 0; stream < Streams; stream++)
            {
                if (takesPart[stream])
                {
                    alone.Step(single[stream], x[stream], expected);
                    Assert.All(Enumerable.Range(0, expected.Length), k => Assert.Equal(expected[k], y[stream][k], 1e-4f));
                }
            }

            if (step % 50 == 49)
            {
                int gone = random.Next(Streams);
                together.Close(rows[gone]);
                rows[gone] = together.Open();
                alone.Close(single[gone]);
                single[gone] = alone.Open();
            }
        }

        isOver = true;
        begin.SignalAndWait();
        Array.ForEach(threads, thread => thread.Join());

        void Run(int stream)
        {
            for (begin.SignalAndWait(); !Volatile.Read(ref isOver); begin.SignalAndWait())
            {
                if (takesPart[stream])
                {
                    together.Step(rows[stream], x[stream], y[stream]);
                }

                end.SignalAndWait();
            }
        }
    }

    [SharedDataFact]
    public void Streams_on_threads_of_their_own_never_get_each_others_outputs()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("etth1-lstm64", "sequence.onnx"), OnnxProvider.Options);
        using OnnxModel alone = OnnxModel.Load(SharedData.Model("etth1-lstm64", "sequence.onnx"), OnnxProvider.Options);
        int[] rows = [.. Enumerable.Range(0, 8).Select(_ => model.Open())];
        int[] single = [.. Enumerable.Range(0, 8).Select(_ => alone.Open())];
        var results = new float[8][];
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(stream => new Thread(() => Run(model, rows[stream], stream)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        for (int stream = 0; stream < 8; stream++)
        {
            float[] together = results[stream];
            Run(alone, single[stream], stream);
            for (int k = 0; k < together.Length; k++)
            {
                Assert.Equal(results[stream][k], together[k], 1e-4f);
            }
        }

        void Run(OnnxModel of, int row, int stream)
        {
            var random = new Random(stream);
            float[] y = new float[of.OutputCount];
            for (int step = 0; step < 2000; step++)
            {
                of.Step(row, OnnxParityTests.Row(random, of.InputCount, null), y);
            }

            results[stream] = y;
        }
    }

    [SharedDataFact]
    public void A_step_allocates_nothing()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("etth1-lstm64", "step.onnx"), OnnxProvider.Options);
        int row = model.Open();
        float[] x = new float[model.InputCount];
        float[] y = new float[model.OutputCount];
        for (int step = 0; step < 300; step++)
        {
            model.Step(row, x, y);
        }

        // Where inputs must be copied to a GPU, they are bound by name in each call, which allocates.
        if (OnnxProvider.IsProcessor)
        {
            Assert.Equal(0, AllocatedBytes.Least(() =>
            {
                for (int step = 0; step < 1000; step++)
                {
                    model.Step(row, x, y);
                }
            }));
        }
    }

    [SharedDataFact]
    public void A_reading_that_is_not_finite_never_reaches_the_state()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("ambient-lstm32", "step.onnx"), OnnxProvider.Options);
        int row = model.Open();
        float[] y = new float[1];
        model.Step(row, [0.3f], y);
        byte[] before = model.Save(row);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            Assert.Throws<ArgumentException>(() => model.Step(row, [bad], new float[1]));
        }

        Assert.Throws<ArgumentException>(() => model.Step(row, [1, 2], new float[1]));
        Assert.Throws<ArgumentException>(() => model.Step(row, [1], new float[2]));
        Assert.Equal(before, model.Save(row));
    }

    [SharedDataFact]
    public void A_state_goes_on_where_it_was_saved_and_others_are_refused()
    {
        using OnnxModel model = OnnxModel.Load(SharedData.Model("skab-lstm64x2", "step.onnx"), OnnxProvider.Options);
        using OnnxModel restarted = OnnxModel.Load(SharedData.Model("skab-lstm64x2", "step.onnx"), OnnxProvider.Options);
        using OnnxModel other = OnnxModel.Load(SharedData.Model("etth1-lstm64", "step.onnx"), OnnxProvider.Options);
        var random = new Random(1);
        (int row, int again) = (model.Open(), restarted.Open());
        float[] y = new float[model.OutputCount];
        float[] z = new float[model.OutputCount];
        for (int step = 0; step < 500; step++)
        {
            model.Step(row, OnnxParityTests.Row(random, model.InputCount, null), y);
        }

        byte[] saved = model.Save(row);
        restarted.Restore(again, saved);
        for (int step = 0; step < 500; step++)
        {
            float[] x = OnnxParityTests.Row(random, model.InputCount, null);
            model.Step(row, x, y);
            restarted.Step(again, x, z);
            Assert.Equal(y, z);
        }

        Assert.Contains(
            "another model",
            Assert.Throws<ModelFormatException>(() => other.Restore(other.Open(), saved)).Message,
            StringComparison.Ordinal);
        saved[40] ^= 1;
        Assert.Contains(
            "checksum",
            Assert.Throws<ModelFormatException>(() => restarted.Restore(again, saved)).Message,
            StringComparison.Ordinal);
    }
}
