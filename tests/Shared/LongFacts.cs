namespace Edge.Testing;

/// <summary>A test of minutes that reads ../shared/data; run with EDGE_LONG=1. docs/tests.md lists them.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LongFactAttribute : FactAttribute
{
    public LongFactAttribute() =>
        Skip = !SharedData.IsThere
            ? SharedDataFactAttribute.Missing
            : Environment.GetEnvironmentVariable("EDGE_LONG") == "1"
            ? null
            : "long: set EDGE_LONG=1";
}
