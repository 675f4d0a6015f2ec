using Xunit.Abstractions;

[assembly: TestCollectionOrderer("Edge.EndToEnd.Tests.LongestFirst", "Edge.EndToEnd.Tests")]

namespace Edge.EndToEnd.Tests;

/// <summary>Starts the class that takes longest first: training has the lowest priority, and would be left over at the end.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderByDescending(collection => collection.DisplayName.EndsWith(nameof(LearnTests), StringComparison.Ordinal));
}
