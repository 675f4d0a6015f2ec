using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Edge.Inference;
using Edge.Sensors;

namespace Edge.Runtime.Control;

/// <summary>
/// Trains a model in processes of their own, at a low priority and within a memory limit: <c>edge-runtime export</c> writes the stored
/// rows to a file, and <c>edge-quantize train</c> learns from it, or <c>edge-quantize profile</c> learns what is normal. Neither outlives
/// this process; what was trained does, and the next process continues from it.
/// </summary>
/// <param name="configPath">Path of edge.yaml.</param>
/// <param name="device">The device's name, which the model file keeps.</param>
/// <param name="folder">Where the files are.</param>
/// <param name="clock">Time.</param>
internal sealed class TrainingProcess(string configPath, string device, string folder, TimeProvider clock)
{
    private const string Program = "edge-quantize";

    // The exit code of a process that a signal ended is this and the signal's number.
    private const int SignalExit = 128;
    private const int SigInt = 2;
    private const int SigTerm = 15;
    private static readonly TimeSpan StopWait = TimeSpan.FromSeconds(5);

    // Beyond the budget come linear forecasts, quantization and evaluation. A process that takes longer than this hangs.
    private const int BudgetFactor = 4;
    private static readonly TimeSpan Spare = TimeSpan.FromMinutes(10);

    /// <summary>The path of edge-quantize.</summary>
    /// <param name="configured">What edge.yaml says, or null.</param>
    /// <exception cref="InputException">There is none.</exception>
    internal static string Find(string? configured)
    {
        IEnumerable<string> places = configured is not null
            ? [configured]
            : [
                .. new[] { Program, Program + ".dll" }.Select(name => Path.Combine(AppContext.BaseDirectory, name)),
                .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
                    .Select(path => Path.Combine(path, Program)),
            ];
        return places.FirstOrDefault(File.Exists) ?? throw new InputException(
            configured is null
                ? $"'learn' needs the program {Program}, which is not beside edge-runtime and not on the search path. Install it, or name "
                    + "it with 'learn.program'."
                : $"'learn.program' is '{configured}', and there is no such file. Name {Program}, or remove the key.");
    }

    /// <inheritdoc cref="TrainAction"/>
    internal async Task<string> TrainAsync(LearningJob job, CancellationToken cancel)
    {
        string rows = Path.Combine(folder, job.Stream + ".csv");
        string model = Path.Combine(folder, job.Stream + ".safetensors");
        string checkpoint = Path.Combine(folder, job.Stream + ".checkpoint");
        TimeSpan most = (job.Options.Budget * BudgetFactor) + Spare;
        using var limit = new CancellationTokenSource(most, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, limit.Token);
        bool isStopped = false;
        try
        {
            Directory.CreateDirectory(folder);
            if (!CanResume(rows, checkpoint, most))
            {
                Remove(checkpoint);
                await RunAsync(Self(), ExportArguments(job, rows), job.Options, stop.Token).ConfigureAwait(false);
            }

            string[] learn = job.Options.IsProfile ? ProfileArguments(job, rows, model) : TrainArguments(job, rows, model, checkpoint);
            await RunAsync(Command(Find(job.Options.Program)), learn, job.Options, stop.Token).ConfigureAwait(false);
            return model;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // The next start continues from the same rows, where there is something to continue.
            isStopped = !job.Options.IsProfile;
            throw;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            string remedy = job.Options.IsProfile ? "Learn" : "Set a smaller 'budget', or learn";
            throw new InputException($"learning did not end within {most}. {remedy} from fewer rows with 'history.max_age'.");
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new InputException($"training cannot use '{folder}': {e.Message}", e);
        }
        finally
        {
            Remove(rows + ".partial");
            if (!isStopped)
            {
                Remove(rows);
                Remove(checkpoint);
            }
        }
    }

    // The rows of a training that was cut off are used again while they are new and edge.yaml has not changed since.
    private bool CanResume(string rows, string checkpoint, TimeSpan most)
    {
        DateTime written = File.GetLastWriteTimeUtc(rows);
        return File.Exists(rows) && File.Exists(checkpoint) && written > File.GetLastWriteTimeUtc(configPath)
            && (clock.GetUtcNow() - written).Duration() < most;
    }

    private static string Text(DateTime time) => time.ToString(Timestamp.Format, CultureInfo.InvariantCulture);

    // As --option=value, because a value may begin with a dash: names of columns, streams and devices.
    private string[] ExportArguments(LearningJob job, string rows)
    {
        string[] from = job.RowsFrom is { } first ? [$"--from={Text(first)}"] : [];
        string[] anomalies = job.AnomaliesFrom is { } since ? [$"--anomalies-from={Text(since)}"] : [];
        return ["export", $"--config={configPath}", $"--stream={job.Stream}", $"--output={rows}", "--faults", .. from, .. anomalies];
    }

    private string[] TrainArguments(LearningJob job, string rows, string model, string checkpoint)
    {
        string[] cell = job.Options.Cell == LearnOptions.Cells[0] ? [] : [$"--cell={job.Options.Cell}"];
        string[] beside = job.ModelInUse is { } inUse ? [$"--beside={inUse}"] : [];
        return
        [
            "train", Path.GetFullPath(rows), $"--output={model}", $"--resume={checkpoint}",
            string.Create(CultureInfo.InvariantCulture, $"--budget={job.Options.Budget.TotalSeconds}s"),
            string.Create(CultureInfo.InvariantCulture, $"--period={job.Period.TotalSeconds:R}"),
            $"--horizons={string.Join(',', job.Horizons)}", $"--name={job.Name}", $"--learned-on={device}", "--while-input-is-open",
            .. cell, .. beside, .. job.Targets.Select(each => $"--target={each}"),
            .. job.Columns.Select(each => $"--columns={each.Column}:{each.Unit}"),
        ];
    }

    private string[] ProfileArguments(LearningJob job, string rows, string model) =>
    [
        "profile", Path.GetFullPath(job.ModelInUse!), $"--calibration={Path.GetFullPath(rows)}", $"--output={model}",
        $"--learned-on={device}", "--while-input-is-open",
    ];

    private static string[] Self() =>
        Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) != "dotnet"
            ? [path]
            : Command(Path.Combine(AppContext.BaseDirectory, Assembly.GetExecutingAssembly().GetName().Name + ".dll"));

    private static string[] Command(string program) =>
        program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? ["dotnet", program] : [program];

    private async Task RunAsync(string[] command, string[] arguments, LearnOptions options, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(command[0], [.. command[1..], .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_GCHeapHardLimit"] = $"0x{options.MemoryMaxBytes:x}";
        start.Environment["DOTNET_gcServer"] = "0";
        start.Environment["DOTNET_PROCESSOR_COUNT"] = Math.Max(1, Environment.ProcessorCount - 1).ToString(CultureInfo.InvariantCulture);
        using Process process = Start(start);
        MakeUnimportant(process, options.Priority);
        try
        {
            Task<string> errors = FirstLineAsync(process.StandardError);
            Task<string> output = FirstLineAsync(process.StandardOutput);
            await process.WaitForExitAsync(cancel).ConfigureAwait(false);
            string said = await errors.ConfigureAwait(false);
            await output.ConfigureAwait(false);
            if (process.ExitCode is SignalExit + SigInt or SignalExit + SigTerm)
            {
                // systemd stops all processes of a service at once: then this one is about to end, too.
                await Task.Delay(StopWait, clock, cancel).ConfigureAwait(false);
                throw new InputException($"{arguments[0]} was stopped by a signal.");
            }

            if (process.ExitCode == 1 && said.Length > 0)
            {
                throw new InputException(said);
            }

            if (process.ExitCode != 0)
            {
                throw new InputException(
                    $"{arguments[0]} ended with exit code {process.ExitCode}. It may need more memory than 'learn.memory' allows. {said}");
            }
        }
        finally
        {
            Kill(process);
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new InputException($"'{start.FileName}' cannot be started.");
        }
        catch (Win32Exception e)
        {
            throw new InputException($"'{start.FileName}' cannot be started: {e.Message}", e);
        }
    }

    // Less of the processor than others, and the first to go if memory runs out.
    private static void MakeUnimportant(Process process, TrainingPriority priority)
    {
        try
        {
            process.PriorityClass = priority switch
            {
                TrainingPriority.Lowest => ProcessPriorityClass.Idle,
                TrainingPriority.Low => ProcessPriorityClass.BelowNormal,
                _ => ProcessPriorityClass.Normal,
            };
            File.WriteAllText($"/proc/{process.Id}/oom_score_adj", "1000");
        }
        catch (Exception e) when (FileFault.Is(e) || e is Win32Exception or InvalidOperationException)
        {
            // A sandbox may forbid it, or the process has ended.
        }
    }

    // The rest is read and dropped, so that the process never waits.
    private static async Task<string> FirstLineAsync(StreamReader reader)
    {
        string? first = await reader.ReadLineAsync().ConfigureAwait(false);
        while (await reader.ReadLineAsync().ConfigureAwait(false) is not null)
        {
        }

        return PrintableText.Of(first ?? "", 1000);
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or NotSupportedException)
        {
            // It has ended.
        }
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            // The next learning replaces it.
        }
    }
}
