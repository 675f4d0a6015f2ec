namespace Edge.Runtime.Detection;

/// <summary>One channel's part in an anomaly.</summary>
/// <param name="Column">Index of the model's column.</param>
/// <param name="Expected">What was forecast for this tick, in its unit.</param>
/// <param name="Share">Its part of the score, 0..1.</param>
internal readonly record struct AnomalyChannel(int Column, double Expected, double Share);

/// <summary>An anomaly opened, updated or closed.</summary>
/// <param name="Id">The same from opened to closed.</param>
/// <param name="Change">Which of the three.</param>
/// <param name="Started">Time of the first abnormal tick.</param>
/// <param name="Score">Score of this tick; of a closed anomaly, the peak.</param>
/// <param name="Threshold">What the score was held against.</param>
/// <param name="Severity"><c>warning</c>, or <c>critical</c> from three times the threshold on.</param>
/// <param name="Message">One sentence for people.</param>
/// <param name="Channels">The channels that contribute, the largest share first.</param>
internal sealed record AnomalyEvent(
    string Id, AnomalyChange Change, DateTime Started, double Score, double Threshold, string Severity, string Message, IReadOnlyList<AnomalyChannel> Channels);
