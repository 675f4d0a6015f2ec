namespace Edge.Inference;

/// <summary>
/// What .NET throws for a file or a path that cannot be used: a mistake of the user or a state of the machine, not a bug.
/// </summary>
internal static class FileFault
{
    internal static bool Is(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;
}
