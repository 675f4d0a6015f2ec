using System.Globalization;
using Edge.Inference;

namespace Edge.Runtime.Hosting;

/// <summary>
/// How many files and connections this process may open. With too few, .NET cannot load its own libraries, and the failure does not say
/// so.
/// </summary>
internal static class OpenFilesLimit
{
    /// <summary>What the service needs, with room for the connections of health and metrics.</summary>
    internal const int Needed = 256;

    private const string Limits = "/proc/self/limits";
    private const string Row = "Max open files";
    private const int LimitsMaxBytes = 64 << 10;

    /// <summary>Refuses to start with too few.</summary>
    /// <exception cref="InputException">The limit is too small.</exception>
    internal static void Require()
    {
        if (Read() is { } limit && limit < Needed)
        {
            throw new InputException(
                $"This process may open {limit} files, and needs {Needed}. Raise the limit: ulimit -n, or LimitNOFILE of systemd.");
        }
    }

    /// <summary>The limit that a text of proc(5) has; null if it has none.</summary>
    internal static long? Parse(string limits)
    {
        string? row = limits.Split('\n').FirstOrDefault(line => line.StartsWith(Row, StringComparison.Ordinal));
        string soft = row?[Row.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? "";
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long limit) ? limit : null;
    }

    private static long? Read()
    {
        try
        {
            // A file of proc has no length.
            using var file = new StreamReader(Limits);
            char[] text = new char[LimitsMaxBytes];
            return Parse(new string(text, 0, file.ReadBlock(text)));
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            return null;
        }
    }
}
