namespace Edge.Runtime.Control;

/// <summary>Where new models come from and which key must sign them.</summary>
internal sealed record ModelUpdateOptions
{
    internal const int CanaryTicksMin = 10;
    internal const int CanaryTicksMax = 10_000_000;
    internal const int CanaryTicksDefault = 1000;

    /// <summary>Folder that is watched for new models, or null.</summary>
    public string? IncomingFolder { get; init; }

    /// <summary>Public key that verifies their signature, PEM; null if unsigned models are allowed.</summary>
    public string? TrustedKeyFile { get; init; }

    /// <summary>
    /// Ticks for which a new model is compared with the one in use, <see cref="CanaryTicksMin"/>..<see cref="CanaryTicksMax"/>; null for
    /// <see cref="CanaryTicksDefault"/>, or fewer if the model is learned here from fewer rows.
    /// </summary>
    public int? CanaryTicks { get; init; }
}
