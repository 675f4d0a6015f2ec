using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Edge.Training;
using Edge.Training.Blocks;
using Edge.Training.Layers;
using Edge.Training.Losses;

namespace Edge.Benchmarks;

/// <summary>
/// Epochs of training an LSTM 7x64 on 12,194 rows, batch 8, 24 steps, here and in PyTorch (<c>Rivals/train.py</c>), one after the other in
/// turns on the same machine; then, here only, xLSTM block stacks of 32 units. The rows are noise: what they are does not change the time.
/// </summary>
internal static class TrainingBenchmark
{
    private const int Rows = 12_194;
    private const int Columns = 7;
    private const int Units = 64;
    private const int StackUnits = 32;
    private const int Heads = 4;
    private const int Taps = 4;
    private const int Batch = 8;
    private const int Steps = 24;
    private const int Epochs = 5;
    private const int Turns = 3;

    internal static void Run()
    {
        var ours = new List<(double Wall, double Cpu)>();
        var theirs = new List<(double Wall, double Cpu)>();
        for (int turn = 0; turn < Turns; turn++)
        {
            ours.AddRange(Ours(Lstm));
            theirs.AddRange(Theirs(Environment.ProcessorCount));
        }

        (double Wall, double Cpu) us = Median(ours);
        Console.WriteLine($"LSTM {Columns}x{Units}, {Rows} rows, batch {Batch}, {Steps} steps; median of {ours.Count} epochs");
        Console.WriteLine(Line("Edge.Training, one thread", us, us));
        Console.WriteLine(Line($"sLSTM {StackUnits}, feed-forward", Median([.. Ours(Slstm)]), us));
        Console.WriteLine(Line($"mLSTM {StackUnits}", Median([.. Ours(Mlstm)]), us));
        if (theirs.Count == 0)
        {
            Console.WriteLine("PyTorch was not measured: python3 with torch is not there.");
            return;
        }

        Console.WriteLine(Line($"PyTorch, {Environment.ProcessorCount} threads", Median(theirs), us));
        Console.WriteLine(Line("PyTorch, 1 thread", Median([.. Theirs(1)]), us));
        Console.WriteLine($"memory of this process: {Environment.WorkingSet >> 20} MB");
    }

    private static Network Lstm(Random random) => new(new LstmLayer(Columns, Units, random), new LinearLayer(Units, Columns, random));

    private static Network Slstm(Random random) => new(
        new LinearLayer(Columns, StackUnits, random),
        new SlstmLayer(StackUnits, Heads, Taps, random),
        new FeedForwardLayer(StackUnits, 48, random),
        new NormLayer(StackUnits),
        new LinearLayer(StackUnits, Columns, random));

    private static Network Mlstm(Random random) => new(
        new LinearLayer(Columns, StackUnits, random),
        new MlstmLayer(StackUnits, Heads, Taps, random),
        new NormLayer(StackUnits),
        new LinearLayer(StackUnits, Columns, random));

    private static IEnumerable<(double Wall, double Cpu)> Ours(Func<Random, Network> build)
    {
        var random = new Random(1);
        float[] rows = [.. Enumerable.Range(0, Rows * Columns).Select(_ => (2 * random.NextSingle()) - 1)];
        int length = Rows / Batch;
        Network network = build(random);
        var optimizer = new AdamW(network.Parameters);
        var loss = new HuberLoss(1);
        float[] x = new float[Steps * Batch * Columns];
        float[] target = new float[x.Length];
        float[] gradient = new float[x.Length];

        // One epoch beforehand: the JIT compiles.
        for (int epoch = -1; epoch < Epochs; epoch++)
        {
            TimeSpan cpu = Environment.CpuUsage.TotalTime;
            long started = Stopwatch.GetTimestamp();
            network.Reset();
            for (int at = 0; at + Steps < length; at += Steps)
            {
                for (int t = 0; t < Steps; t++)
                {
                    for (int s = 0; s < Batch; s++)
                    {
                        int row = (s * length) + at + t;
                        rows.AsSpan(row * Columns, Columns).CopyTo(x.AsSpan(((t * Batch) + s) * Columns));
                        rows.AsSpan((row + 1) * Columns, Columns).CopyTo(target.AsSpan(((t * Batch) + s) * Columns));
                    }
                }

                loss.Measure(network.Forward(x, Batch, isTraining: true), target, gradient);
                network.Backward(x, gradient, Batch);
                optimizer.Clip(1);
                optimizer.Step(1e-3);
            }

            if (epoch >= 0)
            {
                yield return (
                    Stopwatch.GetElapsedTime(started).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
            }
        }
    }

    private static IEnumerable<(double Wall, double Cpu)> Theirs(int threads)
    {
        string script = PublishedProgram.FromHere("tests/Edge.Benchmarks/Rivals/train.py");
        foreach (string python in new[] { "python3", "/usr/bin/python3" })
        {
            using Process? process = Process.Start(new ProcessStartInfo(python, [script, $"{Rows}", $"{Epochs + 1}", $"{threads}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
            string output = process!.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode == 0)
            {
                // The first epoch warms up, as ours does.
                return JsonSerializer.Deserialize<double[][]>(output)!.Skip(1).Select(epoch => (epoch[0], epoch[1]));
            }
        }

        return [];
    }

    private static (double Wall, double Cpu) Median(List<(double Wall, double Cpu)> epochs) => (
        epochs.Select(each => each.Wall).Order().ElementAt(epochs.Count / 2),
        epochs.Select(each => each.Cpu).Order().ElementAt(epochs.Count / 2));

    private static string Line(string name, (double Wall, double Cpu) epoch, (double Wall, double Cpu) us) => string.Create(
        CultureInfo.InvariantCulture,
        $"{name,-28} wall {epoch.Wall:0.000} s ({epoch.Wall / us.Wall:0.0}x)  CPU {epoch.Cpu:0.000} s ({epoch.Cpu / us.Cpu:0.0}x)");
}
