using System.Diagnostics;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Edge.Sensors.I2c;
using Edge.Sensors.Polling;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Benchmarks;

/// <summary>
/// <c>sensors</c>: two streams of eight channels at 100 Hz, each on two buses of four devices that take 1 ms; a device of the
/// first hangs for ten of thirty seconds. How late ticks are, what is missed, and what it costs.
/// </summary>
internal static class SensorsBenchmark
{
    private const int Channels = 8;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(30);

    internal static async Task RunAsync()
    {
        string model = Path.GetTempFileName();
        await File.WriteAllBytesAsync(model, RandomModels.Int8(1, Channels, 32, 1, Channels));
        using var stop = new CancellationTokenSource();
        BenchDevice[] devices = [.. Enumerable.Range(0, 2 * Channels).Select(i => new BenchDevice(i))];
        var config = new EdgeConfig { Device = "bench", Mqtt = new MqttOptions(), Streams = [] };
        using var sources = new Sources(
            config,
            new Devices { I2c = (device, _) => devices[device.Address] },
            TimeProvider.System,
            NullLogger.Instance);
        Run[] runs = [new("with the hung device", model, sources, 0), new("the other", model, sources, Channels)];
        Task[] running = [.. runs.Select(run => Task.Run(() => run.Loop.RunAsync(stop.Token, stop.Token)))];

        await Task.Delay(TimeSpan.FromSeconds(3));
        using var process = Process.GetCurrentProcess();
        TimeSpan cpu = process.TotalProcessorTime;
        long allocated = GC.GetTotalAllocatedBytes();
        long heap = GC.GetTotalMemory(forceFullCollection: true);
        foreach (Run run in runs)
        {
            run.Begin();
        }

        await Task.Delay(Length / 3);
        devices[0].Hang(Length / 3);
        await Task.Delay(Length * 2 / 3);
        process.Refresh();
        double share = (process.TotalProcessorTime - cpu) / Length;
        allocated = GC.GetTotalAllocatedBytes() - allocated;
        heap = GC.GetTotalMemory(forceFullCollection: true) - heap;
        await stop.CancelAsync();
        try
        {
            await Task.WhenAll(running);
        }
        catch (OperationCanceledException)
        {
            // As asked.
        }

        foreach (Run run in runs)
        {
            run.Print();
            run.Loop.Dispose();
        }

        Console.WriteLine(
            $"both: {share:P1} of one core, {allocated / (double)runs.Sum(run => run.Rows):0} bytes allocated a row, the heap grew by "
                + $"{heap / 1024.0:0} kB in {Length.TotalSeconds} s");
        File.Delete(model);
    }

    /// <summary>A stream and when its rows came.</summary>
    private sealed class Run
    {
        private readonly string _name;
        private readonly List<long> _at = new(10_000);
        private long _missedBefore;
        private bool _isCounting;

        internal Run(string name, string model, Sources sources, int firstDevice)
        {
            _name = name;
            IInferenceEngine engine = EngineFactory.LoadInt8(model);
            var source = new ChannelsOptions
            {
                Channels = [.. Enumerable.Range(0, Channels).Select(i => new ChannelOptions
                {
                    Column = engine.Manifest.Columns[i],
                    Device = new I2cDeviceOptions((firstDevice + i) / 4, firstDevice + i, "bench", null, 0, DriverOptions.None),
                    Read = "value",
                })],
            };
            Loop = new StreamLoop(
                "bench",
                new SensorStream(engine, new StreamOptions { Name = "s", Period = Period }),
                sources.Open(source, engine.Manifest, Period),
                new PublishOptions(),
                TimeSpan.FromDays(1),
                (_, _, _, _, _) => ValueTask.CompletedTask,
                TimeProvider.System,
                NullLogger.Instance)
            { Ticked = _ => Note() };
        }

        internal StreamLoop Loop { get; }

        private SensorStream Stream => Loop.Stream;

        internal int Rows => _at.Count;

        internal void Begin()
        {
            _missedBefore = Stream.Health.MissedTicks;
            _isCounting = true;
        }

        // Rows lie on a line of one every period; jitter is how far a row is from where the median row lies.
        internal void Print()
        {
            double[] phases = [.. _at.Select(at => Stopwatch.GetElapsedTime(_at[0], at) / Period)];
            double[] off = [.. phases.Select(phase => phase - Math.Round(phase))];
            double median = off.Order().ElementAt(off.Length / 2);
            double[] sorted = [.. off.Select(phase => Math.Abs(phase - median) * Period.TotalMilliseconds).Order()];
            Console.WriteLine(
                $"{_name}: {sorted.Length} rows, {Math.Max(0, Length / Period - sorted.Length):0} lost, "
                    + $"{Stream.Health.MissedTicks - _missedBefore} without usable values; "
                + $"jitter {sorted[sorted.Length / 2]:0.00} ms (median), {sorted[(int)(sorted.Length * 0.99)]:0.00} ms (99 %), "
                    + $"{sorted[^1]:0.00} ms (worst)");
        }

        private void Note()
        {
            if (_isCounting)
            {
                _at.Add(Stopwatch.GetTimestamp());
            }
        }
    }

    private sealed class BenchDevice(int number) : PolledDevice(
        new I2cDeviceOptions(number / 4, number, "bench", null, 0, DriverOptions.None),
        $"bus {number / 4}")
    {
        private static readonly TimeSpan TransferTime = TimeSpan.FromMilliseconds(1);
        private readonly Random _random = new(number);
        private TimeSpan _hang;

        internal void Hang(TimeSpan time) => _hang = time;

        internal override void Open()
        {
        }

        internal override bool Read(Span<double> values)
        {
            Thread.Sleep(_hang);
            _hang = TimeSpan.Zero;
            Thread.Sleep(TransferTime);
            values.Fill(_random.NextDouble());
            return true;
        }

        internal override void Close()
        {
        }
    }
}
