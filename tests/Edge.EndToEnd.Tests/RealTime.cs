namespace Edge.EndToEnd.Tests;

/// <summary>
/// Tests that hold the service to a time of the real clock. They run after all others of this assembly, one by one; each of them carries
/// the trait, too.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class RealTime
{
    internal const string Name = "real time";
}
