namespace Edge.Testing;

/// <summary>A test that reads ../shared/data; not run where that folder is not there.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedDataFactAttribute : FactAttribute
{
    internal const string Missing = "../shared/data is not beside this checkout";

    public SharedDataFactAttribute() => Skip = SharedData.IsThere ? null : Missing;
}

/// <summary>The same for a theory.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedDataTheoryAttribute : TheoryAttribute
{
    public SharedDataTheoryAttribute() => Skip = SharedData.IsThere ? null : SharedDataFactAttribute.Missing;
}
