using Edge.Architecture.Tests.Planted.Upper;

namespace Edge.Architecture.Tests.Planted.Lower;

internal class Base
{
    internal static object Calls() => new Derived();
}
