using System.Diagnostics;

namespace Edge.EndToEnd.Tests;

/// <summary>A plant that publishes rows: mosquitto_pub at QoS 1, a line a message.</summary>
internal sealed class RowPublisher : IDisposable
{
    private readonly Process _process;

    internal RowPublisher(int port, string topic) =>
        _process = Process.Start(
            new ProcessStartInfo("mosquitto_pub", ["-h", "127.0.0.1", "-p", $"{port}", "-V", "5", "-q", "1", "-t", topic, "-l"])
            {
                RedirectStandardInput = true,
            })!;

    internal void Write(string row)
    {
        _process.StandardInput.WriteLine(row);
        _process.StandardInput.Flush();
    }

    /// <summary>Writes all of them at a pace.</summary>
    internal async Task WriteAsync(ReadOnlyMemory<string> rows, double rowsASecond)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < rows.Length; i++)
        {
            Write(rows.Span[i]);
            TimeSpan ahead = TimeSpan.FromSeconds((i + 1) / rowsASecond) - Stopwatch.GetElapsedTime(started);
            if (ahead > TimeSpan.FromMilliseconds(5))
            {
                await Task.Delay(ahead);
            }
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
