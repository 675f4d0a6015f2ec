using System.Diagnostics;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;
using Edge.Testing;

namespace Edge.Benchmarks;

/// <summary><c>detection</c>: detector and intervals of an (8,64,1) model with eight outputs, beside a step of it.</summary>
internal static class DetectionBenchmark
{
    private const int Channels = 8;
    private const int Ticks = 200_000;
    private const int Rounds = 9;

    private static readonly DateTime Begin = new(2026, 1, 5, 0, 0, 0, DateTimeKind.Utc);

    internal static void Run()
    {
        Run(isTimed: false);
        Run(isTimed: true);
    }

    // isTimed: whether one of the channels follows the time of day and of the week, rows of a minute over five weeks.
    private static void Run(bool isTimed)
    {
        EdgeModel model = EdgeModel.Parse(RandomModels.Int8(1, Channels, 64, 1, Channels));
        var session = new InferenceSession(model);
        AdaptiveInterval[] intervals = [.. Enumerable.Range(0, Channels).Select(_ => new AdaptiveInterval(0.9, 0.5))];
        var random = new Random(1);
        float[] noise =
        [
            .. Enumerable.Range(0, 8192).Select(_ => (float)((random.NextDouble() + random.NextDouble() + random.NextDouble()) - 1.5)),
        ];
        ModelManifest manifest = model.Manifest.WithNormalProfile(Profile(model.Manifest, noise, isTimed));
        var detector = new AnomalyDetector(manifest, new AnomalyOptions(), TimeSpan.FromMinutes(1));
        var reading = new Reading(Channels);
        float[] outputs = new float[Channels];
        double[] steps = new double[Rounds];
        double[] watches = new double[Rounds];
        long allocated = 0;
        int minute = 0;
        Action<int> watch = Watch;
        for (int round = 0; round < Rounds; round++)
        {
            steps[round] = Time(tick => session.Step(Errors(tick), outputs));
            long before = GC.GetAllocatedBytesForCurrentThread();
            watches[round] = Time(watch);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Array.Sort(steps);
        Array.Sort(watches);
        Console.WriteLine(
            $"(8,64,1), kernel {session.Kernel}, {(isTimed ? "with" : "without")} the time of the week: a step {steps[Rounds / 2]:0} ns, "
                + $"detector and intervals {watches[Rounds / 2]:0} ns ({watches[Rounds / 2] / steps[Rounds / 2]:0.00}), "
                + $"{allocated} bytes allocated in {Ticks} ticks");

        ReadOnlySpan<float> Errors(int tick) => noise.AsSpan((tick * 13) % (noise.Length - Channels), Channels);

        void Watch(int tick)
        {
            ReadOnlySpan<float> errors = Errors(tick);
            for (int i = 0; i < Channels; i++)
            {
                reading.Values[i] = Value(noise, tick, i);
                intervals[i].Observe(Math.Abs(errors[i]));
            }

            reading.Values[0] += isTimed ? Course(minute) : 0;
            reading.Time = Begin.AddMinutes(minute++);
            detector.Observe(errors, reading, isUsable: true);
        }
    }

    // Linear and curved relations of eight channels.
    private static byte[] Profile(ModelManifest manifest, float[] noise, bool isTimed)
    {
        int count = isTimed ? 35 * 1440 : 10_000;
        var rows = new float[count * Channels];
        for (int at = 0; at < rows.Length; at++)
        {
            (int row, int channel) = (at / Channels, at % Channels);
            rows[at] = manifest.Normalize(channel, Value(noise, row, channel) + (isTimed && channel == 0 ? Course(row - count) : 0));
        }

        DateTime[] times = [.. Enumerable.Range(-count, count).Select(row => Begin.AddMinutes(row))];
        return NormalProfileLearner.Learn(rows, Channels, isTimed ? times : []);
    }

    private static double Value(float[] noise, int tick, int channel) =>
        channel + noise[((tick * 13) % (noise.Length - Channels)) + channel];

    private static double Course(int minute)
    {
        double days = minute / 1440.0;
        return Math.Sin(2 * Math.PI * days) * (2 + Math.Sin(2 * Math.PI * days / 7));
    }

    private static double Time(Action<int> action)
    {
        long started = Stopwatch.GetTimestamp();
        for (int tick = 0; tick < Ticks; tick++)
        {
            action(tick);
        }

        return Stopwatch.GetElapsedTime(started).TotalNanoseconds / Ticks;
    }
}
