using System.CommandLine;

namespace Edge.Quantize.Commands;

/// <summary>The option of commands that a service starts: they end with it.</summary>
internal static class OpenInput
{
    /// <summary>The option, which no person needs.</summary>
    internal static Option<bool> Option() => new("--while-input-is-open") { Hidden = true };

    /// <summary>Ends this process with its input: the program that started it is gone then, and so is the reason to learn.</summary>
    internal static void EndWithIt()
    {
        var waiting = new Thread(() =>
        {
            while (Console.In.Read() >= 0)
            {
            }

            Environment.Exit(1);
        })
        {
            IsBackground = true,
        };
        waiting.Start();
    }
}
