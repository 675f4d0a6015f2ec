namespace Edge.Runtime.Commands;

/// <summary>What a process's end tells a script.</summary>
internal static class ExitCodes
{
    internal const int Done = 0;

    /// <summary>One sentence on stderr says what, where and how to mend it.</summary>
    internal const int InputWrong = 1;

    internal const int WrongUsage = 2;

    internal const int Bug = 70;
}
