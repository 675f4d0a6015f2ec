using Edge.Streams;

namespace Edge.Runtime.Tests;

/// <summary>Times in sentences are in the unit that a reader would choose.</summary>
public sealed class TimeInWordsTests
{
    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(0.44, "0.4 s")]
    [InlineData(99, "99 s")]
    [InlineData(150, "2.5 min")]
    [InlineData(3600, "60 min")]
    [InlineData(90_000, "25 h")]
    [InlineData(572_400, "6.6 days")]
    public void A_time_is_in_the_unit_of_its_size(double seconds, string words) =>
        Assert.Equal(words, TimeInWords.Of(TimeSpan.FromSeconds(seconds)));
}
