namespace Edge.Streams.Detection;

/// <summary>The detector's state, as it lies in a stream's snapshot.</summary>
internal sealed partial class AnomalyDetector
{
    /// <summary>The oldest version of a snapshot that is read.</summary>
    internal const byte VersionMin = 9;

    // The first ones that have the ticks since the last usable row, for how long small anomalies are held back, for how long channels
    // have been back and how noisy they are, which channel had the last anomaly, at which of its levels it is off, and how often channels
    // switch.
    private const byte VersionWithGap = 10;
    private const byte VersionWithDamping = 11;
    private const byte VersionWithNoise = 13;
    private const byte VersionWithRecurrence = 15;
    private const byte VersionWithReplacement = 17;
    private const byte VersionWithSwitches = 19;

    /// <summary>What <see cref="Silence"/> and <see cref="Accept()"/> have asked for, until the next tick.</summary>
    internal void ArchiveRequests(StreamSnapshot snapshot)
    {
        _silence = snapshot.Field(_silence);
        _isAccepted = snapshot.Field(_isAccepted);
    }

    /// <summary>What of the state there is now and not always.</summary>
    internal DetectorParts Parts => (_warmUp is null ? 0 : DetectorParts.WarmUp)
        | (_ownLevels is null ? 0 : DetectorParts.OwnLevels)
        | (_firstRows is null ? 0 : DetectorParts.FirstRows)
        | (_profile == _shipped ? 0 : DetectorParts.OwnProfile)
        | (IsOpen ? DetectorParts.Anomaly : 0);

    /// <summary>Has these parts from now on, to read a state that has them.</summary>
    internal void SetParts(DetectorParts parts)
    {
        _warmUp = parts.HasFlag(DetectorParts.WarmUp) ? new WarmUpChart(_channels) : null;
        _ownLevels = null;
        if (_warmUp is not null && parts.HasFlag(DetectorParts.OwnLevels))
        {
            BeginLevels(_warmUp);
        }

        _firstRows = parts.HasFlag(DetectorParts.FirstRows) ? new FirstRows(_channels) : null;
        if (parts.HasFlag(DetectorParts.OwnProfile))
        {
            Use(NormalProfile.OfFirstRows(_channels, FirstRows.Count));
        }
        else if (_profile != _shipped)
        {
            Use(_shipped);
            SetSensitivity(_falseAlarmsAWeek, atOnce: false);
        }

        IsOpen = parts.HasFlag(DetectorParts.Anomaly);
    }

    /// <summary>Reads or writes the state; <see cref="Parts"/> are those of the state before it is read.</summary>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="version">Its version, <see cref="VersionMin"/> or later; without one, that of now.</param>
    internal void Archive(StreamSnapshot snapshot, byte version = byte.MaxValue)
    {
        bool hasLast = version < VersionWithNoise;
        _ticks = snapshot.Field(_ticks);
        _firstRows?.Archive(snapshot);
        ArchiveOwnProfile(snapshot);
        _ranges?.Archive(snapshot);
        _residual.Archive(snapshot);
        _sensors.Archive(snapshot);
        _recent?.Archive(snapshot);
        _relation?.Archive(snapshot, hasLast);
        _course.Archive(snapshot);
        _isElsewhere = snapshot.Field(_isElsewhere);
        _profileLevels?.Archive(snapshot, hasLast);
        _warmUp?.Archive(snapshot);
        if (snapshot.IsReading && _ownLevels is not null)
        {
            // Their limits are those that the warm-up has shown.
            BeginLevels(_warmUp!);
        }

        _ownLevels?.Archive(snapshot, hasLast);
        _patterns?.Archive(snapshot);
        snapshot.Fields<float>(_shift);
        snapshot.Fields(_mute.AsSpan(0, EarlierKinds * _channels));
        snapshot.Fields(_width.AsSpan(0, WidenedKinds * _channels));
        Score = snapshot.Field(Score);
        PeakScore = snapshot.Field(PeakScore);
        OutsideShare = snapshot.Field(OutsideShare);
        if (IsOpen)
        {
            snapshot.Fields<float>(_openRow);
            snapshot.Fields<float>(_openResidual);
            snapshot.Fields(_peak.AsSpan(0, EarlierKinds * _channels));
            snapshot.Fields<float>(_excess);
        }

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

    private void ArchiveOwnProfile(StreamSnapshot snapshot)
    {
        if (_profile != _shipped)
        {
            _profile!.ArchiveFirstRows(snapshot);
            if (snapshot.IsReading)
            {
                // Charts take their limits from it.
                Use(_profile);
                SetSensitivity(_falseAlarmsAWeek, atOnce: false);
            }
        }
    }

    /// <summary>Reads or writes since when a sensor has failed, and what the end of an open anomaly needs.</summary>
    internal void ArchiveEnds(StreamSnapshot snapshot)
    {
        _sensors.ArchiveTimes(snapshot);
        if (IsOpen)
        {
            _blamed = snapshot.Field(_blamed);
            _asExpected?.Archive(snapshot);
            snapshot.Fields<float>(_blame);
        }
    }

    /// <summary>
    /// Reads or writes what earlier versions of the snapshot lack: when one of them is read, that begins again.
    /// </summary>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="version">Its version, <see cref="VersionMin"/> or later; without one, that of now.</param>
    internal void ArchiveLater(StreamSnapshot snapshot, byte version = byte.MaxValue)
    {
        if (snapshot.IsReading)
        {
            BeginLater();
        }

        if (version >= VersionWithGap)
        {
            _unusable = snapshot.Field(_unusable);
            if (IsOpen)
            {
                // Which patterns came while the anomaly was open.
                _patterns?.ArchiveNew(snapshot);
            }
        }

        if (version >= VersionWithDamping)
        {
            _damped = snapshot.Field(_damped);
        }

        if (version >= VersionWithNoise)
        {
            ArchiveEndAndNoise(snapshot);
        }

        if (version >= VersionWithRecurrence)
        {
            ArchiveRecurrence(snapshot);
        }

        if (version >= VersionWithReplacement && IsOpen)
        {
            _faultyLevel = snapshot.Field(_faultyLevel);
            _otherTicks = snapshot.Field(_otherTicks);
        }

        if (version >= VersionWithSwitches)
        {
            _switches?.Archive(snapshot);
        }
    }

    private void ArchiveRecurrence(StreamSnapshot snapshot)
    {
        _openedAt = snapshot.Field((byte)_openedAt);
        if (IsOpen)
        {
            _recurrenceTicks = snapshot.Field(_recurrenceTicks);
        }
    }

    private void ArchiveEndAndNoise(StreamSnapshot snapshot)
    {
        _sensors.ArchiveElsewhere(snapshot);
        if (IsOpen)
        {
            snapshot.Fields<int>(_backRows);
        }

        if (_noise is null)
        {
            return;
        }

        _noise.Archive(snapshot);
        snapshot.Fields(_width.AsSpan((int)Kind.Noise * _channels));
        if (IsOpen)
        {
            snapshot.Fields(_peak.AsSpan((int)Kind.Noise * _channels));
        }
    }

    private void BeginLater()
    {
        (_unusable, _damped, _openedAt, _recurrenceTicks) = (0, 0, 0, 0);
        (_faultyLevel, _otherTicks) = (double.NaN, 0);
        SetRests();
        _patterns?.MarkOld();
        Array.Clear(_backRows);
        _noise?.Begin();
        _switches?.Begin();
        int noise = (int)Kind.Noise * _channels;
        Ratios(Kind.Noise).Clear();
        _mute.AsSpan(noise).Fill(1);
        _width.AsSpan(noise).Fill(1);
        _peak.AsSpan(noise).Clear();
    }
}

/// <summary>Parts of a detector's state that it has only at times.</summary>
[Flags]
internal enum DetectorParts : byte
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>The stream's first rows: until it is known that the levels of the profile hold, and for ever if they do not.</summary>
    WarmUp = 1,

    /// <summary>Levels of the stream's own.</summary>
    OwnLevels = 2,

    /// <summary>An open anomaly.</summary>
    Anomaly = 4,

    /// <summary>The stream's first rows, until a profile is learned of them.</summary>
    FirstRows = 8,

    /// <summary>The profile of the first rows.</summary>
    OwnProfile = 16,
}
