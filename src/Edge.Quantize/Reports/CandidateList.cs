using Edge.Inference;
using Edge.Quantize.Learning;

namespace Edge.Quantize.Reports;

/// <summary>What was tried in training and what was chosen, in a few lines.</summary>
internal static class CandidateList
{
    private const int NamedMax = 5;

    internal static void Write(TextWriter output, ForecastLearner learner)
    {
        IReadOnlyList<Learned> candidates = learner.Candidates;
        output.WriteLine($"tried: a regression, and {Quantity.Of(candidates.Count, "net")} beside it, which leave of its square error");
        foreach (Learned learned in candidates.Take(NamedMax))
        {
            output.WriteLine(
                $"  {EvaluationTable.Share(learned.Score)} after {Quantity.Of(learned.Losses.Count, "epoch")}: {learned.Candidate}");
        }

        if (candidates.Count > NamedMax)
        {
            output.WriteLine($"  up to {EvaluationTable.Share(candidates[^1].Score)}: {candidates.Count - NamedMax} more");
        }

        output.WriteLine(Choice(learner));
    }

    /// <summary>What was chosen and why, in one sentence.</summary>
    internal static string Choice(ForecastLearner learner)
    {
        const double Most = 1 - ForecastLearner.WorthNet;
        return learner.Net is { } net
            ? $"chosen: {net}, beside the regression"
            : $"chosen: the regression alone; a net must leave {EvaluationTable.Share(Most)} or less to be used";
    }
}
