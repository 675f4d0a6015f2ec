namespace Edge.Inference;

/// <summary>
/// What .NET throws for a file or a path that cannot be used: a mistake of the user or a state of the machine, not a bug.
/// </summary>
internal static class FileFault
{
    // ENOSPC and EDQUOT of the operating system.
    private const int NoSpace = 28;
    private const int NoQuota = 122;

    internal static bool Is(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    /// <summary>Whether the disk, or the user's share of it, is full.</summary>
    internal static bool IsDiskFull(Exception e) => e is IOException && e.HResult is NoSpace or NoQuota;

    /// <summary>The sentence for a file that cannot be written.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="e">What .NET threw when it was written, or one beside it that was to take its place.</param>
    /// <param name="what">What the file is for, such as an option; empty if the path says enough.</param>
    internal static InputException Unwritable(string path, Exception e, string what = "")
    {
        string file = what.Length == 0 ? $"'{path}'" : $"{what} '{path}'";
        string sentence = e switch
        {
            _ when Directory.Exists(path) => $"{file} is a folder. Name a file in it.",
            DirectoryNotFoundException => $"{file} cannot be written: '{Path.GetDirectoryName(Path.GetFullPath(path))}' is no folder.",
            UnauthorizedAccessException => $"{file} cannot be written: this user may not.",
            _ when IsDiskFull(e) => $"{file} cannot be written: its disk is full. Make room there, or name a file on another disk.",
            _ => $"{file} cannot be written: {e.Message}",
        };
        return new InputException(sentence, e);
    }
}
