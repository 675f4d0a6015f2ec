using Edge.Architecture.Tests.Planted.Lower;

namespace Edge.Architecture.Tests.Planted.Upper;

internal sealed class Derived : Base;
