using Edge.Runtime.Commands;

namespace Edge.Runtime.Tests;

/// <summary>The scores, counted by hand.</summary>
public sealed class DetectionScoreTests
{
    // Rows 10 to 19 and 40 to 49 are abnormal.
    private static readonly bool[] Labels = [.. Enumerable.Range(0, 60).Select(row => row / 10 is 1 or 4)];

    [Fact]
    public void Points_are_counted()
    {
        // Rows 12 to 21: eight right, two false, twelve missed.
        DetectionScore score = Score(Enumerable.Range(12, 10), 12);
        Assert.Equal((0.8, 0.4, 16 / 30.0), (score.Precision, score.Recall, score.F1));
        Assert.Equal((2 / 40.0, 12 / 20.0), (score.FalseAlarmRate, score.MissedRate));
        Assert.Equal((2, 1, 0, 2.0), (score.Windows, score.FoundWindows, score.FalseDetections, score.MeanDelayRows));
    }

    [Fact]
    public void Silence_is_nought_and_the_first_row_of_every_window_a_hundred()
    {
        Assert.Equal(0, Score([]).Benchmark(0.11, 1));
        Assert.Equal(100, Score([10, 40], 10, 40).Benchmark(0.11, 1), 2);
        Assert.Equal(100, Score([10, 40], 10, 40).Benchmark(0.11, 2), 2);
        Assert.Equal(50, Score([10], 10).Benchmark(0.11, 1), 2);
    }

    [Fact]
    public void Late_finds_earn_less_and_false_alarms_cost()
    {
        double early = Score([10, 40], 10, 40).Benchmark(0.11, 1);
        double late = Score([18, 40], 18, 40).Benchmark(0.11, 1);
        double falsely = Score([10, 30, 40], 10, 30, 40).Benchmark(0.11, 1);
        Assert.True(late < early && falsely < early);

        // A false alarm a whole window behind the last one costs its whole weight, of the four points from silence to perfection.
        Assert.InRange(falsely, 97.2, 97.3);
    }

    // The values are those that nab/sweeper.py of the benchmark gives for the same rows.
    [Theory]
    [InlineData(new[] { 12, 47 }, 90.521826, 90.521826, 93.681218)]
    [InlineData(new[] { 5, 12, 13, 20, 21, 35, 59 }, 39.066931, 28.706192, 42.711288)]
    public void It_is_the_score_of_the_benchmark(int[] detections, double standard, double fewFalse, double fewMisses)
    {
        DetectionScore score = Score(detections, detections);
        double[] scores = [.. DetectionScore.Profiles.Select(profile => score.Benchmark(profile.FalseAlarm, profile.Missed))];
        Assert.Equal(standard, scores[0], 6);
        Assert.Equal(fewFalse, scores[1], 6);
        Assert.Equal(fewMisses, scores[2], 6);
    }

    // Otherwise one alarm that never ends would find everything.
    [Fact]
    public void What_was_open_before_a_window_finds_it_but_earns_nothing()
    {
        DetectionScore score = Score(Enumerable.Range(9, 51), 9);
        Assert.Equal((2, 1, 0.0), (score.FoundWindows, score.FalseDetections, score.MeanDelayRows));
        Assert.Equal(100 * -0.11 / 4, score.Benchmark(0.11, 1), 6);
    }

    private static DetectionScore Score(IEnumerable<int> alarms, params int[] detections)
    {
        var open = new bool[Labels.Length];
        foreach (int row in alarms)
        {
            open[row] = true;
        }

        return new DetectionScore(Labels, open, detections);
    }
}
