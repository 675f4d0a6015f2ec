using System.Diagnostics;
using System.Text.Json;

namespace Edge.EndToEnd.Tests;

/// <summary>Asks commands with mosquitto_rr, a client that shares no code with the service.</summary>
internal static class CommandClient
{
    /// <summary>The answer of the device <c>house</c> to a command. Waits for it for two minutes at most.</summary>
    /// <exception cref="InvalidOperationException">There was none.</exception>
    internal static (bool Ok, string Message) Ask(int port, string command, string payload)
    {
        string answer = TryAsk(port, command, payload, seconds: 120) ?? throw new InvalidOperationException($"no answer to {command}");
        JsonElement root = JsonDocument.Parse(answer).RootElement;
        Assert.Equal(command, root.GetProperty("command").GetString());
        return (root.GetProperty("ok").GetBoolean(), root.GetProperty("message").GetString()!);
    }

    /// <summary>The answer, or null if there was none within so many seconds.</summary>
    internal static string? TryAsk(int port, string command, string payload, int seconds)
    {
        string[] what = payload.Length == 0 ? ["-n"] : ["-m", payload];
        using Process asker = Process.Start(new ProcessStartInfo(
            "mosquitto_rr",
            [
                "-h",
                "127.0.0.1",
                "-p",
                $"{port}",
                "-V",
                "5",
                "-q",
                "1",
                "-W",
                $"{seconds}",
                "-t",
                $"edge/house/command/{command}",
                "-e",
                $"answers/{Guid.NewGuid():N}",
                "-D",
                "publish",
                "correlation-data",
                "17",
                .. what,
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = asker.StandardOutput.ReadToEnd().Trim();
        asker.WaitForExit();
        return output.Length == 0 ? null : output;
    }
}
