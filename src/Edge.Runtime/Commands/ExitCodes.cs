namespace Edge.Runtime.Commands;

/// <summary>Exit codes of the process, for scripts.</summary>
internal static class ExitCodes
{
    internal const int Done = 0;

    /// <summary>The input is wrong. One sentence on stderr says what is wrong, where, and how to fix it.</summary>
    internal const int InputWrong = 1;

    internal const int WrongUsage = 2;

    internal const int Bug = 70;
}
