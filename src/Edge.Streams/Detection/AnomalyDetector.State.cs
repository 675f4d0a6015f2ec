namespace Edge.Streams.Detection;

/// <summary>The detector's state, as it lies in a stream's snapshot.</summary>
internal sealed partial class AnomalyDetector
{
    /// <summary>What <see cref="Silence"/> and <see cref="Accept()"/> have asked for, until the next tick.</summary>
    internal void ArchiveRequests(StreamSnapshot snapshot)
    {
        _silence = snapshot.Field(_silence);
        _isAccepted = snapshot.Field(_isAccepted);
    }

    internal void Archive(StreamSnapshot snapshot)
    {
        _ticks = snapshot.Field(_ticks);
        _ranges?.Archive(snapshot);
        _residual.Archive(snapshot);
        _sensors.Archive(snapshot);
        _recent?.Archive(snapshot);
        _relation?.Archive(snapshot);

        ArchiveLevels(snapshot);
        _patterns?.Archive(snapshot);
        snapshot.Fields<float>(_shift);
        snapshot.Fields<double>(_openRow);
        snapshot.Fields<double>(_openResidual);
        snapshot.Fields<float>(_mute);
        snapshot.Fields<float>(_width);
        snapshot.Fields<float>(_peak);
        snapshot.Fields<float>(_excess);
        Score = snapshot.Field(Score);
        PeakScore = snapshot.Field(PeakScore);
        OutsideShare = snapshot.Field(OutsideShare);
        IsOpen = snapshot.Field(IsOpen);
        _largestKind = (Kind)snapshot.Field((byte)_largestKind);
        _openedBy = (Kind)snapshot.Field((byte)_openedBy);
        _largestChannel = snapshot.Field(_largestChannel);
        _above = snapshot.Field(_above);
        _below = snapshot.Field(_below);
        _openTicks = snapshot.Field(_openTicks);
        _coolDown = snapshot.Field(_coolDown);
        _soon = snapshot.Field(_soon);
        _closedAt = snapshot.Field(_closedAt);
        _held = snapshot.Field(_held);
        _unsettled = snapshot.Field(_unsettled);
    }

    // A warm-up that is over has become the stream's own levels; the snapshot keeps both, so that its length does not change.
    private void ArchiveLevels(StreamSnapshot snapshot)
    {
        _isElsewhere = snapshot.Field(_isElsewhere);
        _profileLevels?.Archive(snapshot);
        _warmUp.Archive(snapshot);
        if (snapshot.IsReading && _warmUp.IsOver && !UsesProfile)
        {
            BeginLevels();
        }

        EwmaChart own = _ownLevels ?? new EwmaChart(_channels, WarmUpChart.Rows, _warmUp.Measure());
        own.Archive(snapshot);
    }
}
