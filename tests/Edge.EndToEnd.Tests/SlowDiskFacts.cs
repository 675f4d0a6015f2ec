namespace Edge.EndToEnd.Tests;

/// <summary>A test that has strace slow the disk down.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SlowDiskTheoryAttribute : TheoryAttribute
{
    public SlowDiskTheoryAttribute() => Skip = SlowDiskFactAttribute.Missing;
}

/// <summary>Where calls can be held up.</summary>
internal sealed class SlowDiskFactAttribute : FactAttribute
{
    public SlowDiskFactAttribute() => Skip = Missing;

    internal static string? Missing => File.Exists("/usr/bin/strace") ? null : "needs strace";
}
